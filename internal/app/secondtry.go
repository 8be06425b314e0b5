package app

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"

	"omr-relay/internal/httpanswer"
)

// secondTry repeats a request once if it may be repeated and the kept connection
// that it went out on turned out dead, as connections do while the environment is
// frozen. net/http does so itself, for HTTP/1 alone; this goes by the same rules for
// HTTP/2. An answer that came, of whatever kind, is never asked for again.
//
// It also has every request end with a final answer.
type secondTry struct{ next http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (s secondTry) RoundTrip(req *http.Request) (*http.Response, error) {
	// A request that lost its deadline in one try may still be in the hands of
	// the goroutine that reports here.
	var kept, answered atomic.Bool
	resp, err := s.try(req, &httptrace.ClientTrace{
		GotConn:              func(conn httptrace.GotConnInfo) { kept.Store(conn.Reused); answered.Store(false) },
		GotFirstResponseByte: func() { answered.Store(true) },
	})
	if err == nil || !kept.Load() || answered.Load() || !lostConnection(err) || req.Context().Err() != nil || !repeatable(req) {
		return resp, err
	}
	// The header stays shared: whoever hooked into GotConn to take an expired
	// token off it means this try as well. Where RoundTrip returned with an error
	// of the connection, nobody reads the header any more.
	again := req.WithContext(req.Context())
	if req.GetBody != nil {
		body, bodyErr := req.GetBody()
		if bodyErr != nil {
			return nil, err
		}
		again.Body = body
	}
	return s.try(again, &httptrace.ClientTrace{})
}

// try sends the request once, as net/http has it.
func (s secondTry) try(req *http.Request, trace *httptrace.ClientTrace) (*http.Response, error) {
	watch := new(httpanswer.Watch)
	trace.Got1xxResponse = watch.Got1xx
	return watch.Final(s.next.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace))))
}

// lostConnection reports whether err is what net/http says of a connection that
// ended, or was found dead, before it answered. For a stream that was reset, or an
// answer that makes no sense, it has other errors.
func lostConnection(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op == "read" || op.Op == "write" // and not an alert of TLS, or a dial
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return true
	}
	// These two have neither a name nor a type that can be had: a ping that was not
	// answered, and a server that said goodbye while the environment was frozen.
	text := err.Error()
	return text == "http2: client connection lost" || strings.HasPrefix(text, "http2: server sent GOAWAY and closed the connection;")
}

// repeatable reports whether net/http would repeat the request: by its method,
// or by an Idempotency-Key, be it an empty one that is not sent. Who makes a PUT or a
// DELETE gives it one: handler/passthrough.go, internal/omr.
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
