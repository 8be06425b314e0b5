package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
)

// Request is a request as it arrived.
type Request struct {
	Method string
	Target string // the request target as on the wire, query included
	Host   string
	Header http.Header
	Body   []byte // what was read before the stand-in's cap, if it was exceeded
}

// Tap shows a test what reached a stand-in and lets it answer in its place.
// The zero value counts and does nothing else.
type Tap struct {
	tapMu   sync.Mutex // guards what follows
	respond func(http.ResponseWriter, *http.Request) bool
	keep    int
	seen    []Request
	count   int
}

// Record keeps the latest n requests from now on, bodies and credentials
// included, and drops older ones. n of 0 or less, the default, keeps none.
func (t *Tap) Record(n int) {
	t.tapMu.Lock()
	defer t.tapMu.Unlock()
	t.keep = max(n, 0)
	t.trim()
}

// Requests returns the kept requests, oldest first. Headers and bodies are
// shared and must not be changed.
func (t *Tap) Requests() []Request {
	t.tapMu.Lock()
	defer t.tapMu.Unlock()
	return slices.Clone(t.seen)
}

// Count returns how many requests have arrived, kept or not, whatever they were
// answered.
func (t *Tap) Count() int {
	t.tapMu.Lock()
	defer t.tapMu.Unlock()
	return t.count
}

// Respond lets fn see every request before the stand-in does, its body
// readable. If fn returns true it has answered; otherwise it has written
// nothing and the stand-in goes on. fn may run concurrently, may block (the
// request's context ends when the client leaves), may hijack the connection or
// panic with [http.ErrAbortHandler] to break it. nil removes it.
func (t *Tap) Respond(fn func(w http.ResponseWriter, r *http.Request) bool) {
	t.tapMu.Lock()
	defer t.tapMu.Unlock()
	t.respond = fn
}

func (t *Tap) trim() {
	t.seen = slices.Delete(t.seen, 0, max(len(t.seen)-t.keep, 0))
}

// receive reads the body up to limit bytes and records the request. The
// returned request has its body readable again. The error, if any, wraps
// *http.MaxBytesError or is the connection's.
func (t *Tap) receive(w http.ResponseWriter, r *http.Request, limit int64) (*http.Request, []byte, error) {
	var buf bytes.Buffer
	if r.ContentLength > 0 && r.ContentLength <= limit {
		buf.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	var err error
	if r.Body != nil {
		if _, err = buf.ReadFrom(http.MaxBytesReader(w, r.Body, limit)); err != nil {
			err = fmt.Errorf("reading the request body: %w", err)
		}
	}
	body := buf.Bytes()
	t.record(r, body)

	r = r.WithContext(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r, body, err
}

// record counts a request and keeps it, if requests are kept.
func (t *Tap) record(r *http.Request, body []byte) {
	t.tapMu.Lock()
	defer t.tapMu.Unlock()
	t.count++
	if t.keep > 0 {
		t.seen = append(t.seen, Request{
			Method: r.Method, Target: r.RequestURI, Host: r.Host, Header: r.Header.Clone(), Body: body,
		})
		t.trim()
	}
}

// takenOver runs the test's hook and reports whether it answered.
func (t *Tap) takenOver(w http.ResponseWriter, r *http.Request) bool {
	t.tapMu.Lock()
	respond := t.respond
	t.tapMu.Unlock()
	return respond != nil && respond(w, r)
}
