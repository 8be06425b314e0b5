package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentedOutput holds what the README shows of its first command to what
// the command prints, but for times and ids. Where the README leaves something
// out, it has an ellipsis.
func TestDocumentedOutput(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, found := strings.Cut(string(readme), "\n```text\n")
	shown, _, closed := strings.Cut(shown, "\n```\n")
	if !found || !closed || !strings.HasPrefix(shown, "→ event") {
		t.Fatal("the README does not show what the command prints")
	}
	got := runWith(t.Context(), strings.NewReader(""), unset, "invoke", "../../events/recognize.json")
	printed := varying.ReplaceAllString(got.stderr+got.stdout, "…")
	for line := range strings.SplitSeq(varying.ReplaceAllString(shown, "…"), "\n") {
		parts := strings.Split(regexp.QuoteMeta(line), "…")
		if !regexp.MustCompile(`(?m)^` + strings.Join(parts, ".*") + `$`).MatchString(printed) {
			t.Errorf("README.md shows\n%s\nthe command prints\n%s", line, printed)
		}
	}
}

var varying = regexp.MustCompile(`[0-9.]+ ms\b|[0-9a-f]{8}-[0-9a-f-]{27}`)
