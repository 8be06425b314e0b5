// Package docs holds these pages to the code, as far as no package of its own does
// so: package handler compares routes and problem codes, internal/config settings,
// internal/faultmatrix the fault matrix.
package docs

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = ".."

// TestReadmeIsShort keeps the README what a newcomer reads in five minutes.
func TestReadmeIsShort(t *testing.T) {
	if size := len(read(t, "README.md")); size >= 8000 {
		t.Errorf("README.md has %d bytes, must have less than 8,000: move something into docs", size)
	}
}

// TestLinksResolve follows every relative link of every page, anchors included,
// and every page of docs is linked from the README.
func TestLinksResolve(t *testing.T) {
	reached := map[string]bool{}
	for _, page := range pages(t) {
		for _, target := range links(read(t, page)) {
			u, err := url.Parse(target)
			if err != nil || u.IsAbs() {
				continue
			}
			path := page
			if u.Path != "" {
				path = filepath.Join(filepath.Dir(page), filepath.FromSlash(u.Path))
			}
			if _, err := os.Stat(filepath.Join(root, path)); err != nil || strings.HasPrefix(path, "..") {
				t.Errorf("%s: %s leads nowhere", page, target)
				continue
			}
			if u.Fragment != "" && !slices.Contains(anchors(read(t, path)), u.Fragment) {
				t.Errorf("%s: %s has no heading #%s", page, path, u.Fragment)
			}
			if page == "README.md" {
				reached[path] = true
			}
		}
	}
	for _, page := range pages(t) {
		if filepath.Dir(page) == "docs" && !reached[page] {
			t.Errorf("README.md has no link to %s", page)
		}
	}
}

// TestLessonsAreListed: every test of the list exists, and every test that cites a
// lesson is in the list, under that lesson.
func TestLessonsAreListed(t *testing.T) {
	var listed, tests, citing []string
	for _, row := range lessonRow.FindAllStringSubmatch(read(t, "docs/development.md"), -1) {
		for _, name := range quoted.FindAllStringSubmatch(row[2], -1) {
			listed = append(listed, name[1])
			if strings.Contains(name[1], ".TestLesson") && !strings.Contains(name[1], ".TestLesson"+row[1]+"_") {
				t.Errorf("%s stands under lesson %s", name[1], row[1])
			}
		}
	}
	for _, file := range goFiles(t) {
		for _, name := range testFunc.FindAllStringSubmatch(read(t, file), -1) {
			full := filepath.ToSlash(filepath.Dir(file)) + "." + name[1]
			tests = append(tests, full)
			if citesLesson.MatchString(name[1]) {
				citing = append(citing, full)
			}
		}
	}
	for i, name := range listed {
		if !slices.Contains(tests, name) {
			t.Errorf("docs/development.md lists %s, which does not exist", name)
		}
		if slices.Contains(listed[:i], name) {
			t.Errorf("docs/development.md lists %s twice", name)
		}
	}
	for _, name := range citing {
		if !slices.Contains(listed, name) {
			t.Errorf("docs/development.md does not list %s", name)
		}
	}
}

// TestMapIsWhole: the map of the code has every package, and no other.
func TestMapIsWhole(t *testing.T) {
	var mapped, inCode []string
	_, section, _ := strings.Cut(read(t, "docs/development.md"), "\n## A map of the code\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, row := range mapRow.FindAllStringSubmatch(section, -1) {
		mapped = append(mapped, row[1])
	}
	for _, file := range goFiles(t) {
		// What lies below the benchmark is a module's inside, which its package comment describes.
		if dir := filepath.ToSlash(filepath.Dir(file)); !strings.HasPrefix(dir, "internal/bench/") && !slices.Contains(inCode, dir) {
			inCode = append(inCode, dir)
		}
	}
	slices.Sort(mapped)
	slices.Sort(inCode)
	if !slices.Equal(mapped, inCode) {
		t.Errorf("docs/development.md maps\n%q, there are\n%q", mapped, inCode)
	}
}

// TestTestsThatArePromisedExist: every test that a page speaks of is there.
func TestTestsThatArePromisedExist(t *testing.T) {
	var code strings.Builder
	for _, file := range goFiles(t) {
		code.WriteString(read(t, file))
	}
	for _, page := range pages(t) {
		for _, name := range promised.FindAllStringSubmatch(read(t, page), -1) {
			if !strings.Contains(code.String(), "\nfunc "+name[1]+"(") {
				t.Errorf("%s speaks of %s, which does not exist", page, name[1])
			}
		}
	}
}

var (
	link        = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fenced      = regexp.MustCompile("(?s)\n *```.*?\n *```")
	heading     = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
	lessonRow   = regexp.MustCompile(`(?m)^\| (\d\d) \| [^|]+ \| ([^|]+) \|$`)
	mapRow      = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")
	quoted      = regexp.MustCompile("`([^`]+)`")
	promised    = regexp.MustCompile(`\b(Test[A-Z]\w+)`)
	testFunc    = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	citesLesson = regexp.MustCompile(`^TestLesson\d`)
)

func links(page string) (targets []string) {
	for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
		targets = append(targets, m[1])
	}
	return targets
}

// anchors are the names that GitHub gives to the headings.
func anchors(page string) (names []string) {
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
		var name strings.Builder
		for _, r := range strings.ToLower(m[1]) {
			switch {
			case r == ' ':
				name.WriteByte('-')
			case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
				name.WriteRune(r)
			}
		}
		names = append(names, name.String())
	}
	return names
}

// pages are the documents, by their paths in the repository.
func pages(t *testing.T) []string {
	t.Helper()
	all := []string{"README.md"}
	for _, pattern := range []string{"docs/*.md", ".github/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, path := range found {
			all = append(all, filepath.Join(filepath.Dir(pattern), filepath.Base(path)))
		}
	}
	return all
}

// goFiles are the module's Go files, by their paths in the repository.
func goFiles(t *testing.T) (files []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch name := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata"):
			return fs.SkipDir
		case filepath.Ext(name) == ".go":
			path, err = filepath.Rel(root, path)
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
