// Package scans makes sheets out of files and folders: which files are scans, by
// their content; their pages, each a document of its own; in which order, and by
// which names. Everything that is wrong with them is told at once, so that it is
// known before anything is sent.
//
//	scans.go  Find
//	pages.go  the pages of PDF and TIFF, as files
//	sheets.go what is found
//	check.go  whether a file is a whole scan
//	walk.go   which files there are, in what order, by what names
//	content.go what a page of a PDF is known by
//	tiff.go   one page of a TIFF as a TIFF
//	text.go   how things are said
package scans

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Find looks for the scans among files and in folders, and below them. Hidden
// files, and those that are leftOut, are passed over; other files in folders that
// are no scans are skipped. It reads every file once, and blocks meanwhile. Pages
// are written to a folder of the system's for temporary files, which only this
// user can read, until [Set.Close].
//
// What is wrong with files is among the Faults; an error is of this machine's.
func Find(names []string, limits Limits, leftOut ...string) (*Set, error) {
	found := &Set{}
	finder := &finder{limits: limits, set: found}
	for _, f := range walk(names, leftOut) {
		if err := finder.take(f); err != nil {
			return nil, errors.Join(err, found.Close())
		}
	}
	if len(found.Sheets) == 0 && len(found.Faults) == 0 {
		found.Faults = []Fault{{strings.Join(names, ", "), "no scans there (JPEG, PNG, GIF, TIFF, BMP or PDF)"}}
	}
	if count := found.Count(); count > limits.Count {
		found.Faults = append(found.Faults, Fault{strings.Join(names, ", "),
			fmt.Sprintf("%d sheets; this takes %d at a time", count, limits.Count)})
	}
	return found, nil
}

// take adds a file's sheets, or its fault.
func (f *finder) take(file file) error {
	if file.fault != "" {
		f.fault(file, file.fault)
		return nil
	}
	seen, err := inspect(file.path, f.limits.File)
	if err != nil {
		f.fault(file, reason(err))
		return nil
	}
	switch {
	case seen.fault == "":
	case file.named || seen.meantAsScan || scanName(file.path):
		f.fault(file, seen.fault)
		return nil
	default:
		f.set.Skipped++
		return nil
	}
	if seen.data == nil || seen.pages == 1 {
		f.add(Sheet{Name: file.name, Content: seen.hash, Size: seen.size, Pages: 1, path: file.path})
		return nil
	}
	return f.split(file, seen)
}

// scanName reports whether a file's name says that it is a scan.
func scanName(path string) bool {
	return slices.Contains([]string{"jpg", "jpeg", "png", "gif", "tif", "tiff", "bmp", "pdf", "heic", "webp"}, extension(path))
}
