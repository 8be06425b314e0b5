package config

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocumentedSettings holds docs/settings.md and the template against the
// variables that the code reads, and their defaults.
func TestDocumentedSettings(t *testing.T) {
	read := map[string]bool{}
	_, _ = FromEnv(func(name string) string {
		read[name] = true
		return ""
	})
	defaults, err := FromEnv(func(name string) string { return map[string]string{"OMR_SECRET_ID": "any"}[name] })
	if err != nil {
		t.Fatal(err)
	}
	inCode := map[string]string{
		"OMR_SECRET_ID":    "required",
		"OMR_BASE_URL":     "`" + defaults.BaseURL.String() + "`",
		"OMR_TOKEN_URL":    "`" + strings.Replace(defaults.TokenURL.String(), defaults.BaseURL.String(), "{OMR_BASE_URL}", 1) + "`",
		"OMR_STREAMING":    "`false`",
		"OMR_ALLOW_ORIGIN": "none",
		"OMR_BUCKET":       "none",

		"OMR_STATE_MACHINE": "none",
		"OMR_MAX_SHEETS":    fmt.Sprintf("`%d`", defaults.MaxSheets),

		"OMR_MAX_UPLOAD_MEGABYTES": fmt.Sprintf("`%d`", defaults.MaxUpload>>20),

		"OMR_WARMUP_INTERVAL":  "`" + strings.TrimSuffix(defaults.WarmupInterval.String(), "0s") + "`",
		"AWS_LAMBDA_LOG_LEVEL": "`" + defaults.LogLevel.String() + "`",
	}
	template, parameters := file(t, "../../template.yaml"), templateParameters(t)
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| `(\\w+)` \\|.*\\| ([^|]+) \\|$").FindAllStringSubmatch(file(t, "../../docs/settings.md"), -1) {
		name, parameter, value := row[1], row[2], row[3]
		if !read[name] {
			t.Errorf("docs/settings.md has %s twice, or the code does not read it", name)
		}
		delete(read, name)
		if value != inCode[name] {
			t.Errorf("docs/settings.md has %s for %s, the code %s", value, name, inCode[name])
		}
		if _, ok := parameters[parameter]; !ok {
			t.Errorf("docs/settings.md has the parameter %s for %s, the template does not", parameter, name)
		}
		if name == "AWS_LAMBDA_LOG_LEVEL" {
			name = "ApplicationLogLevel" // which sets it
		}
		if !regexp.MustCompile(`(?m)^ +` + name + `: !.*\b` + parameter + `\b`).MatchString(template) {
			t.Errorf("template.yaml does not set %s from %s", name, parameter)
		}
	}
	for name := range read {
		t.Errorf("docs/settings.md lacks %s", name)
	}
}

// TestDocumentedParameters holds docs/settings.md against the template's
// parameters: each in one table or the other, and the second with their defaults. One
// parameter may set several variables.
func TestDocumentedParameters(t *testing.T) {
	doc := file(t, "../../docs/settings.md")
	parameters := templateParameters(t)
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `OMR_[A-Z_]+` \\| `(\\w+)` \\||^\\| `AWS_[A-Z_]+` \\| `(\\w+)` \\|").FindAllStringSubmatch(doc, -1) {
		if name := row[1] + row[2]; !slices.Contains(documented, name) {
			documented = append(documented, name)
		}
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z][a-z]\\w+)` \\|.*\\| (\\S+) \\|$").FindAllStringSubmatch(doc, -1) {
		documented = append(documented, row[1])
		want := "`" + parameters[row[1]] + "`"
		if parameters[row[1]] == "" {
			want = "none"
		}
		if row[2] != want {
			t.Errorf("docs/settings.md has the default %s for %s, the template %s", row[2], row[1], want)
		}
	}
	var inTemplate []string
	for name := range parameters {
		inTemplate = append(inTemplate, name)
	}
	slices.Sort(documented)
	slices.Sort(inTemplate)
	if !slices.Equal(documented, inTemplate) {
		t.Errorf("docs/settings.md has the parameters\n%q, the template\n%q", documented, inTemplate)
	}
}

// templateParameters returns the template's parameters with their defaults, ""
// where there is none.
func templateParameters(t *testing.T) map[string]string {
	t.Helper()
	_, section, found := strings.Cut(file(t, "../../template.yaml"), "\nParameters:\n")
	if !found {
		t.Fatal("the template has no parameters")
	}
	all, name := map[string]string{}, ""
	for line := range strings.Lines(section) {
		if line[0] != ' ' && line[0] != '\n' {
			break // the next section
		}
		if m := parameterLine.FindStringSubmatch(line); m != nil {
			name = m[1]
			all[name] = ""
		} else if value, ok := strings.CutPrefix(line, "    Default: "); ok {
			all[name] = strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return all
}

var parameterLine = regexp.MustCompile(`^  (\w+):\n$`)

func file(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
