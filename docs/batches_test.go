package docs

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"omr-relay/internal/batch/layout"
	"omr-relay/internal/bucket"
	"omr-relay/internal/omr"
	"omr-relay/internal/recognition"
	"omr-relay/internal/table"
)

// TestBatchesAreTold: the page has every table that a batch makes, every status that an
// exception has, and every name by which a batch fails.
func TestBatchesAreTold(t *testing.T) {
	page := read(t, "docs/batches.md")
	_, results, _ := strings.Cut(page, "\n## Results\n")
	results, _, _ = strings.Cut(results, "\n## ")
	for _, name := range layout.Tables {
		if !strings.Contains(results, "\n| `"+name+"` | ") {
			t.Errorf("%s is not told of", name)
		}
	}
	for _, status := range []string{
		string(omr.Ok), string(omr.PartiallyNotFound), string(omr.NoAnyResultData), string(omr.Error), string(omr.TaskNotFound),
		string(omr.ResultDataLost), recognition.SubmissionUnknown, recognition.Refused, recognition.NotReady, recognition.NotFetched,
		table.Unreadable, "unreadable", "duplicate", "not_recognized",
	} {
		if !strings.Contains(results, "`"+status+"`") {
			t.Errorf("%s is not told of", status)
		}
	}
	failures := batchFailures(t)
	if len(failures) < 7 {
		t.Errorf("internal/batch has the names %q", failures)
	}
	for _, name := range failures {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("%s is not told of", name)
		}
	}
	if !strings.Contains(page, fmt.Sprintf("Links to tables work for %.0f minutes", bucket.LinkLife.Minutes())) {
		t.Error("how long links live is not told of")
	}
}

// batchFailures are the names in the code.
func batchFailures(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(root, "internal", "batch"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".go" {
			path, err = filepath.Rel(root, path)
			for _, m := range failureName.FindAllStringSubmatch(read(t, path), -1) {
				names = append(names, m[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

var failureName = regexp.MustCompile(`(?m)^\t[A-Z]\w+ +Name += "(\w+)"`)
