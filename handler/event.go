package handler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"omr-relay/internal/jsonscan"
)

// kind is the kind of an event, as the log names it.
type kind string

const (
	kindREST      kind = "rest_api"
	kindHTTP      kind = "http_api"
	kindURL       kind = "function_url"
	kindRule      kind = "eventbridge_rule"
	kindScheduler kind = "eventbridge_scheduler"
	kindWarmup    kind = "warmup"
)

// streams reports whether answers to events of this kind can be streamed. HTTP
// APIs take them whole.
func (k kind) streams() bool { return k == kindREST || k == kindURL }

// event is a decoded event. request is nil for warm-ups.
type event struct {
	kind    kind
	size    int
	request *request
}

func (e *event) warmup() bool {
	return e.kind == kindRule || e.kind == kindScheduler || e.kind == kindWarmup
}

// request is what every HTTP event comes down to.
type request struct {
	method string
	path   string // as the event carries it, stage and base path taken off
	query  string // fit for a request line
	header http.Header
	body   *scratch
	caller caller
	err    error // the caller's fault found while decoding
}

// UnsupportedEvent is the error for an event that the relay does not serve. Its
// text names what came and quotes no value; Lambda reports its type's name.
type UnsupportedEvent struct{ What string }

func (e *UnsupportedEvent) Error() string { return "unsupported event: " + e.What }

// decode tells what kind of event payload is and reads it. An error names what
// came instead, without quoting any value.
func decode(payload []byte) (*event, error) {
	m := members{}
	err := jsonscan.Object(payload, func(name string, value []byte) error {
		m[name] = value
		return nil
	})
	if err != nil {
		return nil, &UnsupportedEvent{describeJSON(payload, err)}
	}
	e := &event{size: len(payload)}
	switch {
	case m.has("methodArn"), m.has("routeArn"):
		return nil, &UnsupportedEvent{"an API Gateway authorizer event"}
	case m.text("version") == "2.0" && m.has("requestContext") && m.has("rawPath"):
		err = decodeHTTP(m, e)
	case m.has("httpMethod") && m.has("path"):
		err = decodeREST(m, e)
	case m.text("source") == "aws.events" && m.text("detail-type") == "Scheduled Event":
		e.kind = kindRule
	case m.text("source") == "aws.scheduler" && m.text("detail-type") == "Scheduled Event":
		e.kind = kindScheduler
	case string(m["warmup"]) == "true":
		e.kind = kindWarmup
	default:
		err = errors.New(m.describe())
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
