package handler

import (
	"net/http"
	"strings"

	"omr-relay/handler/gateway"
)

// cors lets pages of one origin call the relay from a browser (the CORS protocol:
// https://fetch.spec.whatwg.org/#http-cors-protocol). The zero value lets none.
type cors struct{ origin string }

// exposed are the headers that such a page may read besides the safelisted ones.
const exposed = "Content-Location, Location, Preference-Applied, Retry-After, Omr-Status"

// preflight answers a browser that asks whether a page may make a call, or returns
// nil for a request that is none of that kind.
func (c cors) preflight(req *gateway.Request) *gateway.Answer {
	if c.origin == "" || req.Method != http.MethodOptions || req.Header.Get("Access-Control-Request-Method") == "" {
		return nil
	}
	return answerWith(http.StatusNoContent, http.Header{
		"Access-Control-Allow-Methods": {"GET, POST, PUT, PATCH, DELETE"},
		"Access-Control-Allow-Headers": {"Authorization, Content-Type, Idempotency-Key, Prefer"},
		"Access-Control-Max-Age":       {"600"},
	}, "")
}

// mark says on an answer who may read it.
func (c cors) mark(header http.Header) {
	if c.origin == "" {
		return
	}
	header.Set("Access-Control-Allow-Origin", c.origin)
	header.Set("Access-Control-Expose-Headers", exposed)
	// Of several lines RFC 9110 §5.3 makes one list; a caller's cache must see it whole.
	header.Set("Vary", strings.Join(append(header.Values("Vary"), "Origin"), ", "))
}
