package token_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/problem"
)

func TestRecordOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.slow(300 * time.Millisecond)
		r.Aspose.Respond(func(_ http.ResponseWriter, req *http.Request) bool {
			pause(req.Context(), 50*time.Millisecond)
			return false
		})
		check := func(got *callrecord.Record, outcome callrecord.Outcome, waited time.Duration, calls int) {
			t.Helper()
			want(t, "token", got.Token, outcome)
			want(t, "token's time", got.TokenTime, waited)
			want(t, "upstream's status", got.UpstreamStatus, http.StatusOK)
			want(t, "upstream's calls", got.UpstreamCalls, calls)
		}
		check(r.mustCall(t), callrecord.Mint, 300*time.Millisecond, 1)
		check(r.mustCall(t), callrecord.Hit, 0, 1)
		r.Token.RevokeAll()
		check(r.mustCall(t), callrecord.Repair, 300*time.Millisecond, 2)

		time.Sleep(lifetime)
		go func() { _, _, _ = r.get(t, budget) }()
		time.Sleep(100 * time.Millisecond)
		check(r.mustCall(t), callrecord.Wait, 200*time.Millisecond, 1)

		time.Sleep(lifetime * 9 / 10)
		check(r.mustCall(t), callrecord.SoftRefresh, 0, 1)
	})
}

// The upstream's failure is the caller's to judge: no retry, no other error.
func TestUpstreamErrorComesBackAsItIs(t *testing.T) {
	for name, rejectFirst := range map[string]bool{"first call": false, "replay": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				calls := 0
				r.transport.Base = roundTripFunc(func(req *http.Request) (*http.Response, error) {
					if calls++; calls == 1 && rejectFirst {
						return &http.Response{StatusCode: http.StatusUnauthorized, Body: http.NoBody, Request: req}, nil
					}
					return nil, io.ErrUnexpectedEOF
				})
				_, _, err := r.call(t)
				want(t, "error", err, io.ErrUnexpectedEOF)
				want(t, "a replay", calls == 2, rejectFirst)
			})
		})
	}
}

// A RoundTripper closes the request's body whatever happens, and so must this
// one where no call is made.
func TestBodyIsClosedWithoutACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.vault.fail(errGone)
		body := &closing{Reader: strings.NewReader("{}")}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, baseURL, body)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.transport.RoundTrip(req)
		wantFault(t, err, problem.CredentialsUnavailable, 5*time.Second)
		want(t, "closed", body.closed, true)
		want(t, "upstream calls", r.Aspose.Count(), 0)
	})
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

// The rejected answer is closed before the replay, after a glance that lets
// the connection live on, however much it has to say.
func TestRejectedAnswerIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		inner := r.transport.Base
		var rejected []*endlessBody
		r.transport.Base = roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if len(rejected) == 2 {
				return inner.RoundTrip(req)
			}
			body := &endlessBody{}
			rejected = append(rejected, body)
			return &http.Response{StatusCode: http.StatusUnauthorized, Body: body, Request: req}, nil
		})
		_, _, err := r.call(t)
		wantFault(t, err, problem.UpstreamRejectedToken, 0)
		for _, body := range rejected {
			if !body.closed || body.read > 32<<10 {
				t.Errorf("%d bytes read, closed: %v", body.read, body.closed)
			}
		}
		want(t, "answers", len(rejected), 2)
	})
}

// Closing the answer reports the upstream's error, after the refresh has ended.
func TestCloseReportsTheUpstreamsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.Token.SetLifetime(day)
		r.mustGet(t)
		time.Sleep(daySoft)
		r.slow(time.Second / 2)
		r.transport.Base = roundTripFunc(func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: failingClose{http.NoBody}, Request: req}, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), budget)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, baseURL, nil)
		resp, err := r.transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		want(t, "first Close", errors.Is(resp.Body.Close(), errGone), true)
		want(t, "first Close took", time.Since(began), time.Second/2)
		_ = resp.Body.Close() // a second one neither waits nor panics
		want(t, "mints", r.Token.Mints(), 2)
	})
}

type failingClose struct{ io.ReadCloser }

func (failingClose) Close() error { return errGone }
