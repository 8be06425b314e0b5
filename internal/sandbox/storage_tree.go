package sandbox

import (
	"cmp"
	"path"
	"slices"
	"strings"
)

// storedItem is one line of a folder's listing.
type storedItem struct {
	Name     string `json:"name"`
	IsFolder bool   `json:"isFolder"`
	Size     int    `json:"size"`
	Path     string `json:"path"`
}

// put reports whether the file found room.
func (s *storage) put(p string, data []byte) bool {
	grown := s.size - len(s.files[p]) + len(data)
	if grown > maxStorage {
		return false
	}
	if s.files == nil {
		s.files = map[string][]byte{}
	}
	s.files[p], s.size = data, grown
	return true
}

// remove drops a file, or a folder with all that is in it.
func (s *storage) remove(p string) {
	inside := func(name string) bool { return name == p || strings.HasPrefix(name, folderPrefix(p)) }
	for name, data := range s.files {
		if inside(name) {
			s.size -= len(data)
			delete(s.files, name)
		}
	}
	for name := range s.folders {
		if inside(name) {
			delete(s.folders, name)
		}
	}
}

// hasFolder counts the root, what was created, and every parent of either.
func (s *storage) hasFolder(p string) bool {
	return p == "/" || s.folders[p] || len(s.list(p)) > 0
}

// list returns the items directly in folder p, by name; never nil.
func (s *storage) list(p string) []storedItem {
	items := map[string]storedItem{}
	add := func(name string, isFolder bool, size int) {
		rest, ok := strings.CutPrefix(name, folderPrefix(p))
		if !ok || rest == "" {
			return
		}
		first, _, deeper := strings.Cut(rest, "/")
		if deeper {
			isFolder, size = true, 0
		}
		items[first] = storedItem{Name: first, IsFolder: isFolder, Size: size, Path: path.Join(p, first)}
	}
	for name := range s.folders {
		add(name, true, 0)
	}
	for name, data := range s.files {
		add(name, false, len(data))
	}
	out := make([]storedItem, 0, len(items))
	for _, item := range items {
		out = append(out, item)
	}
	slices.SortFunc(out, func(a, b storedItem) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func folderPrefix(p string) string { return strings.TrimSuffix(p, "/") + "/" }
