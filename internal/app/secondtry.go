package app

import (
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// secondTry repeats a request once if it may be repeated and the kept
// connection that it went out on turned out dead before the answer began, as
// connections do while the environment is frozen. net/http does so itself, for
// HTTP/1 alone; this goes by the same rules for HTTP/2.
type secondTry struct{ next http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (s secondTry) RoundTrip(req *http.Request) (*http.Response, error) {
	// A request that lost its deadline in one try may still be in the hands of
	// the goroutine that reports here.
	var kept atomic.Bool
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GotConn: func(conn httptrace.GotConnInfo) { kept.Store(conn.Reused) },
	})
	resp, err := s.next.RoundTrip(req.WithContext(ctx))
	if err == nil || !kept.Load() || ctx.Err() != nil || !repeatable(req) {
		return resp, err
	}
	again := req.Clone(req.Context())
	if req.GetBody != nil {
		body, bodyErr := req.GetBody()
		if bodyErr != nil {
			return nil, err
		}
		again.Body = body
	}
	return s.next.RoundTrip(again)
}

// repeatable reports whether net/http would repeat the request: by its method,
// or by an Idempotency-Key, be it an empty one that is not sent.
func repeatable(req *http.Request) bool {
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return false
	}
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	}
	_, marked := req.Header["Idempotency-Key"]
	return marked
}
