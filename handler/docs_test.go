package handler

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocumentedProblems holds docs/errors.md against the table of problem codes:
// the same codes, with the same statuses and levels.
func TestDocumentedProblems(t *testing.T) {
	var documented, inCode []string
	for _, row := range rows(t, "../docs/errors.md", "code", "status", "level") {
		documented = append(documented, strings.Join(row[:3], " "))
	}
	for code := range maps.Keys(problems) {
		inCode = append(inCode, fmt.Sprintf("%#q %d %s", code, problems[code].status, severity(code)))
	}
	same(t, documented, inCode)
}

// TestDocumentedExample: the problem document that docs/errors.md shows is the relay's.
func TestDocumentedExample(t *testing.T) {
	text, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := `"detail": "The relay serves ` + served() + `.",`; !strings.Contains(string(text), want) {
		t.Errorf("docs/errors.md does not have %s", want)
	}
}

// TestDocumentedRoutes holds docs/callers.md against the route table.
func TestDocumentedRoutes(t *testing.T) {
	var documented, inCode []string
	for _, row := range rows(t, "../docs/callers.md", "route", "methods", "key", "in the log") {
		documented = append(documented, strings.Join(row[:4], " "))
	}
	for _, r := range routes {
		key := "yes"
		if r.open {
			key = "no"
		}
		inCode = append(inCode, fmt.Sprintf("%#q %s %s %#q", strings.Replace(r.pattern, "{rest+}", "…", 1), strings.Join(r.methods, ", "), key, r.name))
	}
	same(t, documented, inCode)
}

// TestOpenRoutesOfTheTemplate: the API asks for no key where the table says so,
// and nowhere else. What it has no path for falls to the one for all, with a key.
// Whatever is open is throttled on its own, so that a flood of it stops nobody else.
func TestOpenRoutesOfTheTemplate(t *testing.T) {
	template, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, api, _ := strings.Cut(string(template), "\n      DefinitionBody:\n")
	api, settings, found := strings.Cut(api, "\n      MethodSettings:\n")
	if !found {
		t.Fatal("the template's API has no definition, or no settings after it")
	}
	paths, _, _ := strings.Cut(api, "\n        components:\n")
	var open, inCode []string
	var path, method string
	for line := range strings.Lines(paths) {
		if m := pathLine.FindStringSubmatch(line); m != nil {
			path = m[1]
		} else if m := methodLine.FindStringSubmatch(line); m != nil {
			method = strings.ToUpper(m[1])
		} else if strings.TrimSpace(line) == "security: []" {
			open = append(open, method+" "+path)
		}
	}
	// A preflight is API Gateway's to answer, and no route's.
	open = slices.DeleteFunc(open, func(route string) bool { return route == "OPTIONS /{proxy+}" })
	for _, r := range routes {
		for _, method := range r.methods {
			if !r.open {
				continue
			}
			inCode = append(inCode, method+" "+r.pattern)
			escaped := strings.ReplaceAll(r.pattern, "/", "~1")
			if !strings.Contains(settings, "HttpMethod: "+method+"\n            ResourcePath: /"+escaped+"\n            ThrottlingRateLimit:") {
				t.Errorf("the template does not throttle %s %s on its own", method, r.pattern)
			}
		}
	}
	same(t, open, inCode)
}

var (
	pathLine   = regexp.MustCompile(`^          (/\S+):`)
	methodLine = regexp.MustCompile(`^ {12,}(?:- )?(get|head|post|put|patch|delete|options|x-amazon-apigateway-any-method):`)
)

// rows returns the cells of the document's table whose columns begin with those.
func rows(t *testing.T, path string, columns ...string) (all [][]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n| "+strings.Join(columns, " | ")+" |")
	if !found {
		t.Fatalf("%s has no table of %q", path, columns)
	}
	for i, line := range slices.Collect(strings.Lines(table)) {
		switch {
		case i < 2: // the rest of the head, and the line under it
		case !strings.HasPrefix(line, "|"):
			return all
		default:
			cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			all = append(all, cells)
		}
	}
	return all
}

// same compares what is documented with what is, in any order.
func same(t *testing.T, documented, inCode []string) {
	t.Helper()
	slices.Sort(documented)
	slices.Sort(inCode)
	if !slices.Equal(documented, inCode) {
		t.Errorf("documented:\n\t%s\nin the code:\n\t%s", strings.Join(documented, "\n\t"), strings.Join(inCode, "\n\t"))
	}
}
