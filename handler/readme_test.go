package handler

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestREADMEProblems holds the README's table of problem codes against the
// code's: the same codes, with the same statuses.
func TestREADMEProblems(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([0-9]{3}) \\|").FindAllSubmatch(readme, -1) {
		documented = append(documented, fmt.Sprintf("%s %s", row[1], row[2]))
	}
	slices.Sort(documented)
	var inCode []string
	for code := range maps.Keys(problems) {
		inCode = append(inCode, fmt.Sprintf("%s %d", code, problems[code].status))
	}
	slices.Sort(inCode)
	if !slices.Equal(documented, inCode) {
		t.Errorf("README has %q, the code %q", documented, inCode)
	}
}
