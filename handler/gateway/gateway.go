// Package gateway is the events' formats, each in both directions: an event
// becomes a request, and an answer what the event's sender takes for one. It
// decides nothing over a request but where its path begins.
//
// Each file uses those below it:
//
//	gateway.go   Decode: which kind of event came
//	stream.go    an answer that goes as it arrives
//	whole.go     an answer that goes in one piece
//	outgoing.go  an answer on its way out
//	http.go      payload format 2.0: HTTP APIs and function URLs
//	rest.go      payload format 1.0: REST APIs, and HTTP APIs that ask for it
//	schedule.go  the scheduled pings
//	body.go      a request's body, out of the event
//	headers.go   headers both ways
//	path.go      where in an event's path the relay's own begins
//	event.go     an event, a request and an answer
//	caller.go    who is calling, for the log
//	members.go   an event's members, read in place
package gateway

import (
	"omr-relay/internal/jsonscan"
)

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
