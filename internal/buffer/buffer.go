// Package buffer keeps buffers of megabytes from one invocation to the next:
// clearing new memory for each costs more than copying into it.
package buffer

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// Buffer is one invocation's hold on a kept buffer. It goes back to its Shelf
// when the owner and every reader have let go of it, and not before: the bytes
// of one caller must never be sent for another's. B is the owner's alone to
// change, and only while there is no reader.
type Buffer struct {
	B     []byte
	shelf *Shelf
	refs  atomic.Int32 // 0 for ever once it is 0: the buffer may be another's
}

// Shelf keeps free buffers. Not a sync.Pool: the collector empties that, and
// with events of megabytes it runs every few of them. The zero value is empty. A
// Shelf is safe for concurrent use.
type Shelf struct {
	mu   sync.Mutex // guards free
	free [][]byte
}

// maxKept is how many buffers a shelf keeps; more are for the collector.
const maxKept = 4

// Take returns an empty buffer with room for size bytes. Its owner calls
// Release once.
func (h *Shelf) Take(size int) *Buffer {
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
	s := &Buffer{B: buffer[:0], shelf: h}
	s.refs.Store(1)
	return s
}

// Release lets go of the buffer, and is called once.
func (s *Buffer) Release() {
	if s.refs.Add(-1) != 0 {
		return
	}
	s.shelf.mu.Lock()
	defer s.shelf.mu.Unlock()
	if len(s.shelf.free) < maxKept {
		s.shelf.free = append(s.shelf.free, s.B)
	}
	s.B = nil
}

// Reader returns a reader of the bytes, which holds on to them until it is
// closed. A transport may go on reading after its RoundTrip has returned, and
// may close from another goroutine than it reads from. Once all have let go,
// there is nothing to read any more.
func (s *Buffer) Reader() (io.ReadCloser, error) {
	for {
		n := s.refs.Load()
		if n == 0 {
			return nil, errClosed
		}
		if s.refs.CompareAndSwap(n, n+1) {
			return &reader{buffer: s, rest: s.B}, nil
		}
	}
}

type reader struct {
	mu     sync.Mutex // guards what follows
	buffer *Buffer    // nil once closed
	rest   []byte
}

var errClosed = errors.New("reading a closed body")

func (r *reader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.buffer == nil {
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
func (r *reader) WriteTo(w io.Writer) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.buffer == nil {
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
func (r *reader) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.rest)
}

func (r *reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.buffer != nil {
		r.buffer.Release()
		r.buffer, r.rest = nil, nil
	}
	return nil
}

// Fill appends what from has left, limit bytes at most.
func (s *Buffer) Fill(from io.Reader, limit int) error {
	from = io.LimitReader(from, int64(limit))
	for {
		if len(s.B) == cap(s.B) {
			s.B = append(s.B, 0)[:len(s.B)]
		}
		n, err := from.Read(s.B[len(s.B):cap(s.B)])
		s.B = s.B[:len(s.B)+n]
		switch err {
		case nil:
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}
