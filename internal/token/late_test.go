package token_test

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/sandbox"
)

// connecting takes its time to connect, as a TLS handshake may.
type connecting struct {
	next  http.RoundTripper
	takes func() time.Duration
}

func (c connecting) RoundTrip(req *http.Request) (*http.Response, error) {
	time.Sleep(c.takes())
	if hooks := httptrace.ContextClientTrace(req.Context()); hooks != nil && hooks.GotConn != nil {
		hooks.GotConn(httptrace.GotConnInfo{})
	}
	return c.next.RoundTrip(req)
}

// TestLesson03_TokenThatExpiresWhileConnecting is valid when the call begins
// and not when its connection is there: it is not sent.
func TestLesson03_TokenThatExpiresWhileConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.Token.SetLifetime(2 * time.Second)
		slow := []time.Duration{3 * time.Second}
		r.transport.Base = connecting{sandbox.InProcess(r.Upstream()), func() (d time.Duration) {
			if len(slow) > 0 {
				d, slow = slow[0], slow[1:]
			}
			return d
		}}
		r.mustGet(t)
		r.Aspose.Record(4)
		record := r.mustCall(t)
		want(t, "outcome", record.Token, callrecord.Repair)
		calls := r.Aspose.Requests()
		want(t, "calls", len(calls), 2)
		want(t, "the expired token went out", calls[0].Header.Get("Authorization"), "")
		want(t, "a fresh one went out", r.Token.Mints() == 2 && bearer(calls[1].Header) != "", true)
	})
}

// endless is a body that never comes.
type endless struct{ closed chan struct{} }

func (e endless) Read([]byte) (int, error) { <-e.closed; return 0, io.ErrClosedPipe }
func (e endless) Close() error             { close(e.closed); return nil }

// TestRejectionWithoutABody does not wait for what a 401 has to say.
func TestRejectionWithoutABody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		next, rejected := sandbox.InProcess(r.Upstream()), false
		r.transport.Base = roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if rejected {
				return next.RoundTrip(req)
			}
			rejected = true
			return &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}, ContentLength: 100, Body: endless{make(chan struct{})}}, nil
		})
		began := time.Now()
		want(t, "outcome", r.mustCall(t).Token, callrecord.Repair)
		want(t, "took", time.Since(began), 0)
	})
}

// TestSentStartsAnew: a call that was rejected has not been taken, and the
// replay that never left has not either.
func TestSentStartsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		calls := 0
		r.transport.Base = roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if calls++; calls > 1 {
				return nil, io.ErrUnexpectedEOF
			}
			httptrace.ContextClientTrace(req.Context()).GotConn(httptrace.GotConnInfo{})
			return &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}, Body: http.NoBody}, nil
		})
		_, record, err := r.call(t)
		want(t, "failed", err != nil, true)
		want(t, "calls", record.UpstreamCalls, 1) // which each may cost
		want(t, "sent", record.Sent, false)
	})
}
