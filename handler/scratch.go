package handler

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// scratch is one invocation's hold on a buffer that is kept from one invocation
// to the next: a form is megabytes, and clearing new memory for each costs more
// than copying it. The buffer goes back to the shelf when the owner and every
// reader have let go of it, and not before: the bytes of one caller must never
// be sent for another's.
type scratch struct {
	bytes []byte
	shelf *shelf
	refs  atomic.Int32 // 0 for ever once it is 0: the buffer may be another's
}

// shelf keeps free buffers. Not a sync.Pool: the collector empties that, and
// with events of megabytes it runs every few of them.
type shelf struct {
	mu   sync.Mutex // guards free
	free [][]byte
}

// Requests and replies differ in size by orders of magnitude, and would swap
// their buffers until all were large.
var requests, replies shelf

// maxKept is how many buffers a shelf keeps; more are for the collector.
const maxKept = 4

// take returns an empty buffer with room for size bytes. Its owner calls
// release once.
func (h *shelf) take(size int) *scratch {
	h.mu.Lock()
	var buffer []byte
	if last := len(h.free) - 1; last >= 0 {
		buffer = h.free[last]
		h.free[last] = nil
		h.free = h.free[:last]
	}
	h.mu.Unlock()
	if cap(buffer) < size {
		buffer = make([]byte, 0, size)
	}
	s := &scratch{bytes: buffer[:0], shelf: h}
	s.refs.Store(1)
	return s
}

func (s *scratch) release() {
	if s.refs.Add(-1) != 0 {
		return
	}
	s.shelf.mu.Lock()
	defer s.shelf.mu.Unlock()
	if len(s.shelf.free) < maxKept {
		s.shelf.free = append(s.shelf.free, s.bytes)
	}
	s.bytes = nil
}

// reader returns a reader of the bytes, which holds on to them until it is
// closed. A transport may go on reading after its RoundTrip has returned, and
// may close from another goroutine than it reads from. Once all have let go,
// there is nothing to read any more.
func (s *scratch) reader() (io.ReadCloser, error) {
	for {
		n := s.refs.Load()
		if n == 0 {
			return nil, errClosed
		}
		if s.refs.CompareAndSwap(n, n+1) {
			return &scratchReader{scratch: s, rest: s.bytes}, nil
		}
	}
}

type scratchReader struct {
	mu      sync.Mutex // guards what follows
	scratch *scratch   // nil once closed
	rest    []byte
}

var errClosed = errors.New("reading a closed body")

func (r *scratchReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.scratch == nil {
		return 0, errClosed
	}
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// WriteTo implements [io.WriterTo]: the whole body in one Write.
func (r *scratchReader) WriteTo(w io.Writer) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.scratch == nil {
		return 0, errClosed
	}
	if len(r.rest) == 0 {
		return 0, nil
	}
	n, err := w.Write(r.rest)
	r.rest = r.rest[n:]
	return int64(n), err
}

// Len is how many bytes are left to read.
func (r *scratchReader) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.rest)
}

func (r *scratchReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.scratch != nil {
		r.scratch.release()
		r.scratch, r.rest = nil, nil
	}
	return nil
}

// readFrom appends what from has left, limit bytes at most.
func (s *scratch) readFrom(from io.Reader, limit int) error {
	from = io.LimitReader(from, int64(limit))
	for {
		if len(s.bytes) == cap(s.bytes) {
			s.bytes = append(s.bytes, 0)[:len(s.bytes)]
		}
		n, err := from.Read(s.bytes[len(s.bytes):cap(s.bytes)])
		s.bytes = s.bytes[:len(s.bytes)+n]
		switch err {
		case nil:
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}
