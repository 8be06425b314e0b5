package version_test

import (
	"os"
	"regexp"
	"testing"

	"omr-relay/internal/version"
)

// TestChangelog: the newest entry that is released is of this version.
func TestChangelog(t *testing.T) {
	text, err := os.ReadFile("../../docs/changelog.md")
	if err != nil {
		t.Fatal(err)
	}
	newest := regexp.MustCompile(`(?m)^## (\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d$`).FindSubmatch(text)
	if len(newest) != 2 || string(newest[1]) != version.Version {
		t.Errorf("the newest entry is %q, the version %s", newest, version.Version)
	}
}
