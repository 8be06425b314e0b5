package docs

import (
	"regexp"
	"strings"
	"testing"
)

// TestQueriesAskForWhatIsLogged: whatever a query for Logs Insights speaks of is a member
// of the line, by the tables that package metric and package handler hold to the code.
func TestQueriesAskForWhatIsLogged(t *testing.T) {
	told := read(t, "docs/errors.md")
	_, told, _ = strings.Cut(told, "\n## What the log shows\n")
	asked := 0
	for _, page := range pages(t) {
		for _, block := range queryBlock.FindAllStringSubmatch(read(t, page), -1) {
			asked++
			query := quotedText.ReplaceAllString(block[1], "")
			own := map[string]bool{} // names that the query gives
			for _, m := range asName.FindAllStringSubmatch(query, -1) {
				own[m[1]] = true
			}
			for _, name := range queryWord.FindAllString(query, -1) {
				if !queryWords[name] && !own[name] && !strings.Contains(told, "`"+name+"`") && !strings.Contains(told, `"`+name+`":`) {
					t.Errorf("%s asks for %s, which no line has:\n%s", page, name, block[1])
				}
			}
		}
	}
	if asked < 5 {
		t.Errorf("%d queries are found", asked)
	}
}

// TestDashboardIsDrawn: the picture has every widget of the template, and no other.
// .ci/dashboard draws it anew.
func TestDashboardIsDrawn(t *testing.T) {
	drawn := read(t, "docs/dashboard.svg")
	titles := widgetTitle.FindAllStringSubmatch(read(t, "template.yaml"), -1)
	for _, title := range titles {
		words, _, _ := strings.Cut(title[1], "${")
		if !strings.Contains(drawn, ">"+words) {
			t.Errorf("docs/dashboard.svg has no %q: run .ci/dashboard", title[1])
		}
	}
	if n := strings.Count(drawn, `font-weight="bold"`); n != len(titles) || n < 10 {
		t.Errorf("docs/dashboard.svg has %d widgets, the template %d: run .ci/dashboard", n, len(titles))
	}
}

var (
	queryBlock  = regexp.MustCompile("(?s)\n```text\n((?:filter|fields) .*?)```")
	quotedText  = regexp.MustCompile(`"[^"]*"`)
	asName      = regexp.MustCompile(`\bas (\w+)`)
	queryWord   = regexp.MustCompile(`@?\b[a-zA-Z_]\w*`)
	widgetTitle = regexp.MustCompile(`(?m)^ +"title": "([^"]+)",`)
)

// queryWords are the language's own.
var queryWords = func() map[string]bool {
	words := map[string]bool{}
	for word := range strings.FieldsSeq("filter fields stats sort limit by as and desc sum count bin ispresent @timestamp h message") {
		words[word] = true
	}
	return words
}()
