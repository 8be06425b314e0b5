package gateway

import (
	"io"
	"net/http"

	"omr-relay/internal/buffer"
)

// Request is what every HTTP event comes down to.
type Request struct {
	Method string
	Path   string // as the event carries it, stage and base path taken off
	Query  string // fit for a request line
	Header http.Header
	Body   *buffer.Buffer // decoded; never nil
	Caller Caller
	// Fault is what was wrong with the request itself, found while decoding it.
	Fault error
}

// Release lets go of the request's body. Readers that are not closed yet keep
// theirs. It is called once.
func (r *Request) Release() { r.Body.Release() }

// Answer is what the caller gets.
type Answer struct {
	Status int
	Header http.Header
	// Body is read to its end or to its first error, by whoever carries the
	// answer out, and closed whatever has become of it.
	Body io.ReadCloser
	// Length is that of Body, or -1 where it is not known.
	Length int64
}
