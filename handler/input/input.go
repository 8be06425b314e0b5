// Package input reads what requests of several routes have in common, where it lies
// in the request's body, and words what is wrong with it.
//
//	header.go  Idempotency-Key, Prefer
//	input.go   the type of a body, a query, base64; errors
package input

import (
	"encoding/base64"
	"fmt"
	"mime"
	"net/url"
	"strings"

	"omr-relay/handler/gateway"
	"omr-relay/internal/jsonscan"
	"omr-relay/internal/problem"
)

// ContentOf is the type of a request's body, if it can be read as it is.
func ContentOf(req *gateway.Request) (mediaType string, params map[string]string, err error) {
	if req.Fault != nil {
		return "", nil, req.Fault
	}
	for _, coding := range req.Header.Values("Content-Encoding") {
		if c := strings.TrimSpace(coding); c != "" && !strings.EqualFold(c, "identity") {
			return "", nil, &problem.Error{Code: problem.UnsupportedMediaType,
				Detail: "The relay does not decode Content-Encoding: send the body as it is.", AcceptEncoding: "identity"}
		}
	}
	// What cannot be read is none of those that are known.
	mediaType, params, _ = mime.ParseMediaType(req.Header.Get("Content-Type"))
	return mediaType, params, nil
}

// Query has take what a query has, the last of each name. It is not passed over:
// whoever puts an option there believes it kept, and pays for the call.
func Query(query string, take func(name, value string) error) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return &problem.Error{Code: problem.BadRequest, Detail: "The query cannot be read."}
	}
	for name, all := range values {
		if err := take(name, all[len(all)-1]); err != nil {
			return err
		}
	}
	return nil
}

// Err names the field at fault.
func Err(field, format string, args ...any) error {
	return &problem.Error{Code: problem.InvalidInput, Field: field, Detail: field + ": " + fmt.Sprintf(format, args...)}
}

// ErrMalformed is for a body that is not what it is said to be.
func ErrMalformed(what string) error {
	return &problem.Error{Code: problem.BadRequest, Detail: "The body is not well-formed " + what + "."}
}

// JSONProblem makes a problem of an error of package jsonscan.
func JSONProblem(err error) error {
	if err == nil {
		return nil
	}
	if e := problem.From(err); e.Code != problem.Internal {
		return e
	}
	return ErrMalformed("JSON")
}

// Decode decodes a string of base64 where it lies: what comes of it is never longer.
// The string is gone then.
func Decode(field string, raw []byte) ([]byte, error) {
	text, err := jsonscan.AppendUnquoted(raw[:0], raw)
	if err != nil {
		return nil, Err(field, "it must be a text of base64")
	}
	n, err := base64.StdEncoding.Decode(text, text)
	if err != nil {
		return nil, Err(field, "it is not base64")
	}
	return text[:n:n], nil
}
