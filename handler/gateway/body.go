package gateway

import (
	"errors"

	"omr-relay/internal/buffer"
	"omr-relay/internal/fastbase64"
	"omr-relay/internal/jsonscan"
	"omr-relay/internal/problem"
)

// bodies are the buffers of requests. Answers have a shelf of their own: they
// differ in size by orders of magnitude, and would swap buffers until all were
// large.
var bodies buffer.Shelf

// decodeBody copies the body out of the event, once, into a buffer that is the
// caller's to release. A body that claims to be base64 and is not is the fault
// of whoever sent it.
func decodeBody(m members) (body *buffer.Buffer, callerFault, err error) {
	if !m.has("body") {
		return bodies.Take(0), nil, nil
	}
	raw := m["body"]
	encoded, ok := jsonscan.Inner(raw)
	if !ok {
		return nil, nil, errors.New(`its member "body" is not a string`)
	}
	isBase64, err := m.flag("isBase64Encoded")
	if err != nil {
		return nil, nil, err
	}
	body = bodies.Take(len(encoded))
	if isBase64 {
		if err := decodeBase64(body, encoded, raw); err != nil {
			return body, &problem.Error{Code: problem.BadRequest, Detail: "The event says that its body is base64, and it is not."}, nil
		}
		return body, nil, nil
	}
	text, err := jsonscan.AppendUnquoted(body.B, raw)
	if err != nil {
		body.Release()
		return nil, nil, errors.New(`its member "body" is not a string`)
	}
	body.B = text
	return body, nil, nil
}

// decodeBase64 decodes what stands in the raw string, which usually needs no
// reading as a string: base64 has nothing to escape.
func decodeBase64(body *buffer.Buffer, encoded, raw []byte) error {
	space := body.B[:cap(body.B)]
	n, err := fastbase64.Decode(space, encoded)
	if err != nil {
		// Some encoders escape the slash.
		var text []byte
		if text, err = jsonscan.Unquote(raw); err == nil {
			n, err = fastbase64.Decode(space, text)
		}
	}
	if err == nil {
		body.B = space[:n]
	}
	return err
}
