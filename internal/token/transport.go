package token

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/httpanswer"
	"omr-relay/internal/problem"
)

// Transport is an [http.RoundTripper] that authorizes requests with the
// Cache's token. It never lets an Authorization of the caller's through, and
// replays a request once, with another token, when the upstream rejects the
// first with 401. The replay needs GetBody on requests that have a body.
//
// Answers are asked for whole and not coded: Range and Accept-Encoding are set here,
// and what comes coded is decoded. 101 is an error.
//
// The Body of an answer has the method Shows([]byte) bool, by which whoever decodes a
// part of it searches what comes out.
//
// No answer shows the token, or the one before it: any 24 consecutive characters
// of the signature, or of the whole where it is no JWT, end the call or break the
// answer off, wherever they stand in it.
//
// Failures of the token path and answers that are withheld are [*problem.Error],
// also those that come from reading the Body; Base's own errors come back as they
// are. The Body must be closed before the invocation ends, also when reading it
// panicked: Close waits, a second at most, for a refresh that the request began.
type Transport struct {
	Base  http.RoundTripper // nil is http.DefaultTransport
	Cache *Cache
}

// RoundTrip implements [http.RoundTripper]. It blocks until req's context ends
// at the latest.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	record := callrecord.From(ctx)
	began := time.Now()
	token, outcome, err := t.Cache.Token(ctx)
	record.Token, record.TokenTime = outcome, time.Since(began)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	record.UsedToken(token.left())
	var end func()
	if join := t.Cache.refresh(ctx, token); join != nil {
		record.Token = callrecord.SoftRefresh
		// The still valid token served: a refresh that failed harms nobody.
		end = sync.OnceFunc(func() { record.RefreshErr = join() })
	}
	answered := false
	defer func() {
		if end != nil && !answered {
			end() // there is no body whose Close would; maybe there was a panic
		}
	}()
	resp, err := t.send(req, token)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		resp, err = t.repair(req, resp, token)
	}
	if err != nil {
		return nil, err
	}
	if end != nil {
		resp.Body = &joiningBody{ReadCloser: resp.Body, join: end}
	}
	answered = true
	return resp, nil
}

// repair answers a 401: it sends the request once more, with another token than
// the rejected one.
func (t *Transport) repair(req *http.Request, resp *http.Response, rejected *Token) (*http.Response, error) {
	// Not drained: the body may never come, and a repair is rare enough to
	// cost a connection.
	_ = resp.Body.Close()
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return nil, errRejected("the call cannot be sent again")
	}
	if !t.Cache.mayRepair(rejected) {
		return nil, errRejected("so was the last fresh token, moments ago")
	}
	ctx := req.Context()
	record := callrecord.From(ctx)
	began := time.Now()
	token, err := t.Cache.replacement(ctx, rejected)
	record.Token = callrecord.Repair
	record.TokenTime += time.Since(began)
	if err != nil {
		return nil, err
	}
	replay := req.Clone(ctx)
	if req.GetBody != nil {
		if replay.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
	}
	record.UsedToken(token.left())
	resp, err = t.send(replay, token)
	if err == nil || record.Sent {
		record.Repairs++
	}
	if err != nil {
		return nil, err
	}
	t.Cache.repaired(resp.StatusCode != http.StatusUnauthorized)
	if resp.StatusCode == http.StatusUnauthorized {
		_ = resp.Body.Close()
		return nil, errRejected("so was the one before")
	}
	return resp, nil
}

// send puts the token on a copy of req and sends it.
func (t *Transport) send(req *http.Request, token *Token) (*http.Response, error) {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	record := callrecord.From(req.Context())
	record.Sent = false // a call that was rejected before has not been taken
	// The lists of values stay shared, and nobody changes them.
	header := maps.Clone(req.Header)
	if header == nil {
		header = http.Header{}
	}
	watch := new(httpanswer.Watch)
	authorized := req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		// Called by RoundTrip itself, before it writes anything.
		GotConn: func(httptrace.GotConnInfo) {
			if record.Sent {
				record.UpstreamCalls++ // net/http, or Base, tries again
			}
			record.Sent = true
			if !token.validAt(wallNow()) {
				// It expired while the connection was made. Without it the
				// upstream answers 401, and the repair takes its course.
				header.Del("Authorization")
			}
		},
		Got1xxResponse: watch.Got1xx,
	}))
	authorized.Header = header
	httpanswer.AskPlain(header)
	header["Authorization"] = []string{token.header.Reveal()}
	record.UpstreamCalls++
	resp, err := watch.Final(timed(record, base, authorized))
	if err != nil {
		if !record.Sent {
			record.UpstreamCalls-- // no connection took it, so that it cannot have cost anything
		}
		return nil, invalid(err)
	}
	record.UpstreamStatus = resp.StatusCode
	resp.Request = req // which has no token in it
	if resp.StatusCode == http.StatusUnauthorized {
		record.Rejected++
		return resp, nil // and goes no further: see repair
	}
	if err := guard(resp, token.echo); err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// timed counts the call as the upstream's time, also where it ends in a panic.
func timed(record *callrecord.Record, base http.RoundTripper, req *http.Request) (*http.Response, error) {
	record.EnterUpstream()
	defer record.LeaveUpstream()
	return base.RoundTrip(req)
}

func errRejected(why string) error {
	return &problem.Error{Code: problem.UpstreamRejectedToken, Detail: "The upstream rejected the relay's access token.",
		Reason: "the upstream rejected the token, " + why}
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// joiningBody ends the refresh that its request began when it is closed.
type joiningBody struct {
	io.ReadCloser
	join func()
}

// Shows is the guarded body's own.
func (b *joiningBody) Shows(text []byte) bool {
	guarded, ok := b.ReadCloser.(interface{ Shows(text []byte) bool })
	return ok && guarded.Shows(text)
}

func (b *joiningBody) Close() error {
	defer b.join() // also after a panic
	return b.ReadCloser.Close()
}
