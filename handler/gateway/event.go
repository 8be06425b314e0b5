package gateway

import (
	"io"
	"net/http"

	"omr-relay/internal/buffer"
)

// Kind is the kind of an event, as the log names it.
type Kind string

// The kinds.
const (
	REST        Kind = "rest_api"
	HTTP        Kind = "http_api"
	FunctionURL Kind = "function_url"
	Rule        Kind = "eventbridge_rule"
	Scheduler   Kind = "eventbridge_scheduler"
	WarmUp      Kind = "warmup"
)

// Event is a decoded event.
type Event struct {
	Kind Kind
	Size int // of the event, in bytes
	// Request is nil where the event is a scheduled ping.
	Request *Request
	// Streams reports whether the event's sender can take an answer as it
	// arrives. HTTP APIs take answers whole, whichever payload format they ask
	// for.
	Streams bool

	format format
}

// format is a proxy integration's payload format.
type format int

const (
	payload1 format = iota
	payload2
)

// UnsupportedEvent is the error for an event that the relay does not serve. Its
// text names what came and quotes no value; Lambda reports its type's name.
type UnsupportedEvent struct{ What string }

func (e *UnsupportedEvent) Error() string { return "unsupported event: " + e.What }

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
