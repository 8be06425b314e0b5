package config

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestREADMESettings holds the README and the template against the variables
// that the code reads.
func TestREADMESettings(t *testing.T) {
	var read []string
	_, _ = FromEnv(func(name string) string {
		read = append(read, name)
		return ""
	})
	slices.Sort(read)
	readme, template := file(t, "../../README.md"), file(t, "../../template.yaml")
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\|").FindAllSubmatch(readme, -1) {
		documented = append(documented, string(row[1]))
	}
	slices.Sort(documented)
	if !slices.Equal(documented, read) {
		t.Errorf("README documents %q, the code reads %q", documented, read)
	}
	for _, name := range read {
		if name == "AWS_LAMBDA_LOG_LEVEL" {
			name = "ApplicationLogLevel" // which sets it
		}
		if !regexp.MustCompile(`(?m)^ +` + name + ": ").Match(template) {
			t.Errorf("template.yaml does not set %s", name)
		}
	}
}

func file(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
