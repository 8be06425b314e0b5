package scans

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// file is one that may be a scan.
type file struct {
	path string
	name string // by which people are told of it
	// named: it was named itself, and is not just one of a folder's.
	named bool
	fault string // why it cannot even be looked at
}

// walk lists the files named and those in the folders named. A file that comes
// twice is listed once.
func walk(names, leftOut []string) []file {
	var files []file
	for _, name := range names {
		info, err := os.Stat(name)
		switch {
		case err != nil:
			files = append(files, file{path: name, name: name, fault: reason(err)})
		case info.IsDir():
			files = append(files, folder(name)...)
		case !info.Mode().IsRegular():
			files = append(files, file{path: name, name: name, fault: "not a file"})
		default:
			files = append(files, file{path: name, name: filepath.Base(name), named: true})
		}
	}
	out := map[string]bool{}
	for _, name := range leftOut {
		out[absolute(name)] = true
	}
	files = slices.DeleteFunc(files, func(f file) bool {
		at := absolute(f.path)
		drop := out[at]
		out[at] = true
		return drop
	})
	unambiguous(files)
	return files
}

// folder lists the files below a folder. Links to folders are not followed: they
// could go round in circles.
func folder(root string) []file {
	var files []file
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(root, path) // WalkDir joins them
		switch {
		case err != nil:
			files = append(files, file{path: path, name: path, fault: reason(err)})
			return fs.SkipDir
		case path != root && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			return nil
		}
		if info, err := os.Stat(path); err != nil {
			files = append(files, file{path: path, name: filepath.ToSlash(name), fault: reason(err)})
		} else if info.Mode().IsRegular() {
			files = append(files, file{path: path, name: filepath.ToSlash(name)})
		}
		return nil
	})
	if err != nil {
		files = append(files, file{path: root, name: root, fault: reason(err)})
	}
	slices.SortStableFunc(files, func(a, b file) int { return natural(a.name, b.name) })
	return files
}

// unambiguous calls files by their paths if two have the same name.
func unambiguous(files []file) {
	seen := map[string]bool{}
	twice := slices.ContainsFunc(files, func(f file) bool {
		again := seen[f.name]
		seen[f.name] = true
		return again
	})
	for i := range files {
		if twice {
			files[i].name = filepath.ToSlash(filepath.Clean(files[i].path))
		}
	}
}

func absolute(path string) string {
	if at, err := filepath.Abs(path); err == nil {
		path = at
	}
	if at, err := filepath.EvalSymlinks(path); err == nil {
		path = at
	}
	return path
}

// natural orders names as people do: scan2 before scan10.
func natural(a, b string) int {
	left, right := a, b
	for left != "" && right != "" {
		m, n := digits(left), digits(right)
		if m > 0 && n > 0 {
			x, y := strings.TrimLeft(left[:m], "0"), strings.TrimLeft(right[:n], "0")
			if len(x) != len(y) {
				return len(x) - len(y)
			}
			if c := strings.Compare(x, y); c != 0 {
				return c
			}
			left, right = left[m:], right[n:]
			continue
		}
		if left[0] != right[0] {
			return int(left[0]) - int(right[0])
		}
		left, right = left[1:], right[1:]
	}
	if len(left) != len(right) {
		return len(left) - len(right)
	}
	return strings.Compare(a, b) // 01 and 1
}

func digits(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}

func extension(path string) string {
	return strings.ToLower(strings.TrimPrefix(filepath.Ext(path), "."))
}
