package faultmatrix

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/app"
)

// hangingWays are where a service can stop, in the way in which a connection
// shows it.
var hangingWays = map[string]http.RoundTripper{
	"before the answer": roundTrip(func(req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}),
	"in the middle of the answer": roundTrip(func(req *http.Request) (*http.Response, error) {
		return stuck(req, drip{ctx: req.Context(), every: time.Hour}), nil
	}),
	"a byte a second": roundTrip(func(req *http.Request) (*http.Response, error) {
		return stuck(req, drip{ctx: req.Context(), every: time.Second}), nil
	}),
}

func stuck(req *http.Request, body io.Reader) *http.Response {
	resp := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: -1, Request: req}
	if resp.Body = io.NopCloser(body); req.Method == http.MethodHead {
		resp.Body = http.NoBody
	}
	return resp
}

// drip is a body of a byte at a time, without an end.
type drip struct {
	ctx   context.Context //nolint:containedctx // as a connection's body has it
	every time.Duration
}

func (d drip) Read(p []byte) (int, error) {
	timer := time.NewTimer(d.every)
	defer timer.Stop()
	select {
	case <-timer.C:
		p[0] = ' '
		return 1, nil
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

// What hangs, what the relay knows by then, and what comes of it.
var hangingCases = []struct {
	service    app.Hop
	when       string
	call, warm string
}{
	{app.HopSecret, "first", "503 credentials_unavailable", "not warm, credentials_unavailable"},
	{app.HopSecret, "revoked", "200", "warm"},
	{app.HopSecret, "due", "200", "warm"},
	{app.HopToken, "first", "503 token_unavailable", "not warm, token_unavailable"},
	{app.HopToken, "revoked", "503 token_unavailable", "not warm, token_unavailable"},
	{app.HopToken, "due", "200", "not warm, token_unavailable"},
	{app.HopUpstream, "first", "504 upstream_timeout", "not warm, upstream_timeout"},
	{app.HopUpstream, "due", "504 upstream_timeout", "not warm, upstream_timeout"},
}

// TestDeadlines lets each service hang, for every deadline up to API Gateway's:
// the answer leaves before the deadline, with the reserve to carry it out, and
// is a different one for each cause.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	for _, c := range hangingCases {
		for way, hang := range hangingWays {
			t.Run(fmt.Sprintf("%s/%s/%s", c.service, c.when, way), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					for deadline := time.Second; deadline <= 29*time.Second; deadline += time.Second {
						for _, kind := range events {
							want := c.call
							if kind == warmUp {
								want = c.warm
							}
							if kind == warmUp && c.service == app.HopUpstream && way != "before the answer" {
								want = "warm" // a HEAD has nothing to wait for
							}
							hangAndAnswer(t, c.service, c.when, hang, kind, want, deadline)
						}
					}
				})
			})
		}
	}
}

func hangAndAnswer(t *testing.T, service app.Hop, when string, hang http.RoundTripper, kind, want string, deadline time.Duration) {
	t.Helper()
	v := newVirtual(t)
	if when != "first" {
		v.world.lives(100)
		v.want(http.MethodGet, "before", "200")
		v.world.lives(3600)
	}
	switch when {
	case "revoked":
		v.world.revoke()
	case "due":
		time.Sleep(90 * time.Second) // in the last 15 % of its life, and valid
	}
	v.hops[service] = hang
	got := v.invoke(kind, "measured", deadline)
	if got.text != want {
		t.Errorf("%s with %s: answered %s, want %s", kind, deadline, got.text, want)
	}
	if limit := deadline - min(500*time.Millisecond, deadline/10); got.took > limit {
		t.Errorf("%s with %s: answered after %s, which leaves no time to carry it out", kind, deadline, got.took)
	}
	if when == "due" && service != app.HopUpstream && kind != warmUp && got.took > time.Second {
		t.Errorf("%s with %s: a soft refresh added %s", kind, deadline, got.took)
	}
}

// TestHeldNoLongerThanSaid: a call made when Retry-After says succeeds if the
// cause is gone.
func TestHeldNoLongerThanSaid(t *testing.T) {
	for name, c := range map[string]struct {
		service app.Hop
		status  int
		header  http.Header
		body    string
	}{
		"token endpoint redirects":               {app.HopToken, 307, http.Header{"Location": {"https://elsewhere.test/"}}, ""},
		"token endpoint refuses":                 {app.HopToken, 404, nil, ""},
		"token endpoint asks for time":           {app.HopToken, 429, http.Header{"Retry-After": {"25"}}, ""},
		"token endpoint asks for a lot of time":  {app.HopToken, 503, http.Header{"Retry-After": {"86400"}}, ""},
		"token endpoint fails":                   {app.HopToken, 500, nil, ""},
		"Secrets Manager fails":                  {app.HopSecret, 500, nil, "{}"},
		"Secrets Manager throttles":              {app.HopSecret, 429, nil, "{}"},
		"Secrets Manager denies access":          {app.HopSecret, 400, nil, `{"__type":"AccessDeniedException"}`},
		"something else is in the store's place": {app.HopSecret, 200, nil, "<html>"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVirtual(t)
				well := v.hops[c.service]
				v.hops[c.service] = answering(c.status, c.header, c.body)
				failed := v.invoke(http.MethodPost, "fails", patient)
				if failed.retryAfter < 1 || failed.retryAfter > 30 {
					t.Fatalf("answered %s with Retry-After %d", failed.text, failed.retryAfter)
				}
				v.hops[c.service] = well
				time.Sleep(time.Duration(failed.retryAfter) * time.Second)
				v.want(http.MethodPost, "after", "200")
			})
		})
	}
}
