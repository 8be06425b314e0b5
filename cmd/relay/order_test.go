package main

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFilesUseThoseBelowThem holds each package that says in which order its files
// stand to it: all of them are listed, and what a file uses of its package,
// methods included, stands in itself or further down.
func TestFilesUseThoseBelowThem(t *testing.T) {
	t.Chdir("../..") // where the importer finds the module
	files := token.NewFileSet()
	compiled := importer.ForCompiler(files, "gc", exports(t))
	for _, dir := range []string{"handler", "handler/gateway", "handler/recognize", "internal/apikey", "internal/batch", "internal/batch/layout", "internal/document", "internal/executions", "internal/lambdaruntime", "internal/omr", "internal/recognition", "internal/scans", "internal/table", "internal/token"} {
		var parsed []*ast.File
		var order []string
		var names []string
		sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range sources {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			parsed, names = append(parsed, file), append(names, filepath.Base(path))
			if file.Doc != nil {
				for _, row := range listedFile.FindAllStringSubmatch(file.Doc.Text(), -1) {
					order = append(order, row[1])
				}
			}
		}
		if listed := slices.Sorted(slices.Values(order)); !slices.Equal(listed, names) {
			t.Errorf("%s lists %q and has %q", dir, listed, names)
			continue
		}
		info := types.Info{Uses: map[*ast.Ident]types.Object{}}
		checker := types.Config{Importer: compiled}
		pkg, err := checker.Check(dir, files, parsed, &info)
		if err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		at := func(p token.Pos) int { return slices.Index(order, filepath.Base(files.Position(p).Filename)) }
		for used, object := range info.Uses {
			if object.Pkg() == pkg && !isField(object) && at(object.Pos()) < at(used.Pos()) && isTopLevel(object, pkg) {
				t.Errorf("%s: %s uses %s, which stands above it", dir, files.Position(used.Pos()), object.Name())
			}
		}
	}
}

// exports finds what the compiler knows of a package that ours are built on.
func exports(t *testing.T) func(path string) (io.ReadCloser, error) {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "./handler/...", "./internal/...")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	file := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, export, _ := strings.Cut(strings.TrimSpace(line), " ")
		file[path] = export
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(file[path]) }
}

// listedFile is a row of the list in a package's comment.
var listedFile = regexp.MustCompile(`(?m)^\s+([a-z0-9_]+\.go)\s+\S`)

func isField(object types.Object) bool {
	v, ok := object.(*types.Var)
	return ok && v.IsField()
}

// isTopLevel reports whether the object is the package's, or a method of its types.
func isTopLevel(object types.Object, pkg *types.Package) bool {
	if f, ok := object.(*types.Func); ok && f.Signature().Recv() != nil {
		return true
	}
	return object.Parent() == pkg.Scope()
}
