// Package scans makes sheets out of files and folders: which files are scans, by
// their content; their pages, each a document of its own; in which order, and by
// which names. Everything that is wrong with them is told at once, so that it is
// known before anything is sent.
//
//	scans.go  Find, and what it finds
//	walk.go   which files there are, in what order, by what names
//	check.go  whether a file is a whole scan
//	pages.go  the pages of PDF and TIFF, as files
//	tiff.go   one page of a TIFF as a TIFF
package scans

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// Sheet is one page that is to be recognized. It is not changed.
type Sheet struct {
	// Name is unique within its Set: a path as people know it, and the page,
	// counted from 1, of a file that has several.
	Name string
	// Content tells sheets apart by what is in them: the same file has the same
	// wherever it lies and whatever it is called.
	Content string
	// Size is how many bytes Open returns.
	Size int64

	path string
}

// Open returns the document that goes upstream. It may be called concurrently and
// repeatedly, until the Set is closed.
func (s *Sheet) Open() (io.ReadCloser, error) { return os.Open(s.path) }

// Fault is what is wrong with a file that was to be a scan.
type Fault struct{ Name, Reason string }

func (f Fault) Error() string { return f.Name + ": " + f.Reason }

// Set is what was found.
type Set struct {
	// Sheets are in the order in which they were named; those of a folder by
	// name, numbers in names counting as numbers.
	Sheets []Sheet
	// Faults are the files that cannot be recognized, in the same order.
	Faults []Fault
	// Skipped counts the files in folders that are no scans.
	Skipped int

	dir string // of the pages; empty if there are none
}

// Close removes what the Set keeps on disk.
func (s *Set) Close() error {
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}

// Limits bound a Set. All are required.
type Limits struct {
	Sheet int64 // bytes of a document that goes upstream
	File  int64 // bytes of a file that is split, which is read whole
	Pages int   // of a file
	Count int   // sheets in all
}

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
	if len(found.Sheets) > limits.Count {
		found.Faults = append(found.Faults, Fault{strings.Join(names, ", "),
			fmt.Sprintf("%d sheets; this takes %d at a time", len(found.Sheets), limits.Count)})
	}
	return found, nil
}

// finder fills a Set.
type finder struct {
	limits Limits
	set    *Set

	written int // pages on disk
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
		f.add(Sheet{Name: file.name, Content: seen.hash, Size: seen.size, path: file.path})
		return nil
	}
	return f.split(file, seen)
}

func (f *finder) fault(file file, reason string) {
	f.set.Faults = append(f.set.Faults, Fault{file.name, reason})
}

// add adds a sheet that is not too large to be sent.
func (f *finder) add(s Sheet) {
	if s.Size > f.limits.Sheet {
		f.set.Faults = append(f.set.Faults, Fault{s.Name, fmt.Sprintf(
			"%s, and a call takes %s with this pattern: scan it at a lower resolution, in grey, or as JPEG", megabytes(s.Size), megabytes(f.limits.Sheet))})
		return
	}
	f.set.Sheets = append(f.set.Sheets, s)
}

// Same returns, for each sheet that has the content of an earlier one, that
// sheet's index; -1 for others.
func (s *Set) Same() []int {
	first := map[string]int{}
	same := make([]int, len(s.Sheets))
	for i := range s.Sheets {
		same[i] = -1
		if at, ok := first[s.Sheets[i].Content]; ok {
			same[i] = at
		} else {
			first[s.Sheets[i].Content] = i
		}
	}
	return same
}

// scanName reports whether a file's name says that it is a scan.
func scanName(path string) bool {
	return slices.Contains([]string{"jpg", "jpeg", "png", "gif", "tif", "tiff", "bmp", "pdf", "heic", "webp"}, extension(path))
}

// megabytes rounds up: a number that is said to be too large must not look like
// the limit.
func megabytes(n int64) string {
	return fmt.Sprintf("%.2f MB", float64(n)/1e6)
}

// reason is an error's text without the operation and the path, which is named
// anyway.
func reason(err error) string {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}
