package document

import (
	"bufio"
	"errors"
	"io"
)

// maxObject is more than a dictionary takes that tells of pages.
const maxObject = 64 << 10

// A file is read in pieces of narrow bytes, and in wide ones once a compressed
// stream in it is longer.
const (
	narrow = 4 * maxObject
	wide   = 2 << 20
)

// beyond is what can be seen, at least, beyond a byte whose turn it is: an object
// that begins there, the words around it, and the end of the line.
const beyond = maxObject + 16

// file is read from its beginning to its end, and seen some way ahead.
type file struct {
	in    *bufio.Reader
	ended bool  // what can be seen is all that is left
	err   error // why it ended too early
}

func newFile(r io.Reader) *file {
	return &file{in: bufio.NewReaderSize(&source{r: r}, narrow)}
}

// source is a reader that, having failed, does not go on.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (n int, err error) {
	if s.err == nil {
		n, s.err = s.r.Read(p)
	}
	return n, s.err
}

// window is what can be seen, until the next call of a method; it is the turn of
// the bytes of it that are room, which is 0 at the end alone.
func (f *file) window() (seen []byte, room int) {
	want := f.in.Buffered()
	if !f.ended {
		want = max(want, 2*beyond)
	}
	seen, err := f.in.Peek(want)
	if err != nil {
		f.ended = true
		if !errors.Is(err, io.EOF) {
			f.err = err
		}
	}
	if f.ended {
		return seen, len(seen)
	}
	return seen, len(seen) - beyond
}

// pass goes on by n bytes, which have been seen.
func (f *file) pass(n int) {
	_, _ = f.in.Discard(n) // cannot fail
}

// errFar is what lies further ahead than can be seen.
var errFar = errors.New("too far ahead")

// ahead reads a file from a place that it has not come to yet, and passes nothing.
type ahead struct {
	*file
	at  int
	far bool // has failed with errFar
}

func (a *ahead) Read(p []byte) (int, error) {
	if a.at >= a.in.Size() {
		if a.in.Size() >= wide {
			a.far = true
			return 0, errFar
		}
		a.in = bufio.NewReaderSize(a.in, wide)
	}
	if seen, err := a.in.Peek(a.at + 1); len(seen) <= a.at {
		return 0, err
	}
	seen, err := a.in.Peek(a.in.Buffered())
	n := copy(p, seen[a.at:])
	a.at += n
	return n, err
}
