// Package gateway is the events' formats, each in both directions: an event
// becomes a request, and an answer what the event's sender takes for one. It
// decides nothing over a request but where its path begins.
//
// Each file uses those below it:
//
//	gateway.go   Decode: which kind of event came
//	rest.go      payload format 1.0: REST APIs, and HTTP APIs that ask for it
//	http.go      payload format 2.0: HTTP APIs and function URLs
//	schedule.go  the scheduled pings
//	whole.go     an answer that goes in one piece
//	stream.go    an answer that goes as it arrives
//	path.go      where in an event's path the relay's own begins
//	caller.go    who is calling, for the log
//	body.go      a request's body, out of the event
//	members.go   an event's members, read in place
//	message.go   a request and an answer
package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"omr-relay/internal/jsonscan"
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

// Decode tells what kind of event payload is and reads it. Every error is an
// [*UnsupportedEvent]. The Event keeps nothing of payload: its body is a copy,
// which its Request's Release lets go of.
func Decode(payload []byte) (*Event, error) {
	m := members{}
	err := jsonscan.Object(payload, func(name string, value []byte) error {
		m[name] = value
		return nil
	})
	if err != nil {
		return nil, &UnsupportedEvent{describeJSON(payload, err)}
	}
	e := &Event{Size: len(payload)}
	switch {
	case m.has("methodArn"), m.has("routeArn"):
		return nil, &UnsupportedEvent{"an API Gateway authorizer event"}
	case m.text("version") == "2.0" && m.has("requestContext") && m.has("rawPath"):
		err = decodeHTTP(m, e)
	case m.has("httpMethod") && m.has("path"):
		err = decodeREST(m, e)
	default:
		err = decodeSchedule(m, e)
	}
	if err != nil {
		return nil, &UnsupportedEvent{err.Error()}
	}
	return e, nil
}

func describeJSON(payload []byte, err error) string {
	if errors.Is(err, jsonscan.ErrNotObject) && json.Valid(payload) {
		switch bytes.TrimSpace(payload)[0] {
		case '[':
			return "a JSON array"
		case '"':
			return "a JSON string"
		default:
			return "a JSON literal"
		}
	}
	return fmt.Sprintf("%d bytes that are not well-formed JSON", len(payload))
}
