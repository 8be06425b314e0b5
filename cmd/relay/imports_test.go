package main

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "omr-relay"

// imports returns what each package of this module and beyond imports, tests
// left out.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"/...")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	graph := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		graph[fields[0]] = fields[1:]
	}
	return graph
}

// closure returns everything that pkg is built from, itself included.
func closure(graph map[string][]string, pkg string) []string {
	seen := map[string]bool{pkg: true}
	for queue := []string{pkg}; len(queue) > 0; queue = queue[1:] {
		for _, next := range graph[queue[0]] {
			if !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func under(pkg, prefix string) bool { return pkg == prefix || strings.HasPrefix(pkg, prefix+"/") }

func TestImportsFlowOneWay(t *testing.T) {
	graph := imports(t)
	const aws = "github.com/aws/aws-sdk-go-v2"
	for _, tt := range []struct {
		pkg  string
		not  []string
		deep bool // what it is built from counts, not only what it imports
	}{
		{"cmd/relay", []string{module + "/internal/sandbox", module + "/internal/eventgen", module + "/cmd/local", module + "/internal/scans", module + "/internal/journal", module + "/internal/recognition", module + "/internal/table", "github.com/spf13", "github.com/pdfcpu", "github.com/schollz", "github.com/johannesboyne", "testing", "net/http/httptest"}, true},
		{"cmd/authorizer", []string{module + "/internal/sandbox", module + "/cmd/local", "github.com/spf13"}, true},
		{"handler", []string{aws, module + "/internal/executions", "github.com/aws/smithy-go", module + "/secrets", module + "/internal/token", module + "/internal/app"}, true},
		{"secrets", []string{module + "/handler", module + "/internal/token", module + "/internal/app"}, true},
		{"secrets", []string{"net/http"}, false},
		{"internal/token", []string{module + "/handler", module + "/internal/app", "github.com/aws/aws-lambda-go"}, true},
		{"internal/token", []string{aws}, false},
		{"internal/problem", []string{module + "/handler", module + "/secrets", module + "/internal", "github.com"}, false},
		{"internal/callrecord", []string{module, "github.com"}, false},
		{"handler/recognize", []string{module + "/secrets", module + "/internal/token", module + "/internal/app", "github.com"}, true},
		{"internal/batch/layout", []string{module, "github.com"}, false},
		{"internal/batch", []string{module + "/handler", module + "/internal/app", module + "/internal/token", module + "/secrets", module + "/internal/executions"}, true},
		{"internal/executions", []string{module + "/handler", module + "/internal/app", module + "/internal/batch"}, true},
		{"cmd/batch", []string{module + "/internal/sandbox", module + "/cmd/local", "github.com/spf13", "github.com/schollz", "github.com/johannesboyne", "testing", "net/http/httptest"}, true},
		{"internal/omr", []string{module + "/handler", module + "/secrets", module + "/internal/token", "github.com"}, true},
		{"internal/document", []string{module + "/handler", module + "/internal/omr", "github.com"}, true},
		{"internal/sensitive", []string{module, "github.com"}, false},
		{"internal/recognition", []string{module + "/handler", module + "/internal/app", module + "/internal/token", module + "/internal/scans"}, true},
		{"internal/scans", []string{module + "/handler", module + "/internal/omr", module + "/internal/recognition"}, true},
		{"internal/journal", []string{module, "net/http"}, false},
		{"internal/sandbox", []string{module}, false},
	} {
		pkg := module + "/" + tt.pkg
		if graph[pkg] == nil {
			t.Fatalf("%s is not listed", pkg)
		}
		built := graph[pkg]
		if tt.deep {
			built = closure(graph, pkg)
		}
		for _, not := range tt.not {
			if i := slices.IndexFunc(built, func(p string) bool { return under(p, not) }); i >= 0 {
				t.Errorf("%s is built on %s", tt.pkg, built[i])
			}
		}
	}
}

func TestWhoMayImport(t *testing.T) {
	graph := imports(t)
	for pkg, allowed := range map[string][]string{
		"internal/sandbox": {"cmd/local", "internal/eventgen"},
		"internal/app":     {"cmd/relay", "cmd/local", "cmd/batch"},
		"internal/token":   {"internal/app"},
		"handler":          {"internal/app", "cmd/local", "cmd/relay"},
		"secrets":          {"internal/app", "internal/token"},
	} {
		for importer, list := range graph {
			short := strings.TrimPrefix(importer, module+"/")
			if slices.Contains(list, module+"/"+pkg) && !slices.Contains(allowed, short) {
				t.Errorf("%s imports %s", short, pkg)
			}
		}
	}
}

// The function is built from the standard library, AWS's own modules and this
// one.
func TestNoOtherDependencies(t *testing.T) {
	graph := imports(t)
	for _, pkg := range closure(graph, module+"/cmd/relay") {
		first, _, _ := strings.Cut(pkg, "/")
		if strings.Contains(first, ".") && !under(pkg, "github.com/aws") {
			t.Errorf("built on %s", pkg)
		}
	}
}
