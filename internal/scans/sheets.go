package scans

import (
	"fmt"
	"io"
	"os"
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
	Sheet int64  // bytes of a document that goes upstream
	Taker string // what takes no more of them, in words
	File  int64  // bytes of a file that is split, which is read whole
	Pages int    // of a file
	Count int    // sheets in all
}

// finder fills a Set.
type finder struct {
	limits Limits
	set    *Set

	written int // pages on disk
}

func (f *finder) fault(file file, reason string) {
	f.set.Faults = append(f.set.Faults, Fault{file.name, reason})
}

// add adds a sheet that is not too large to be sent.
func (f *finder) add(s Sheet) {
	if s.Size > f.limits.Sheet {
		f.set.Faults = append(f.set.Faults, Fault{s.Name, fmt.Sprintf(
			"%s, and %s takes %s: scan it at a lower resolution, in grey, or as JPEG", megabytes(s.Size), f.limits.Taker, megabytes(f.limits.Sheet))})
		return
	}
	f.set.Sheets = append(f.set.Sheets, s)
}

// pages returns a number that no page has yet.
func (f *finder) pages() int { f.written++; return f.written }

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
