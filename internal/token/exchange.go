package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"omr-relay/internal/problem"
	"omr-relay/secrets"
)

const (
	maxAttempts    = 4
	attemptTimeout = 8 * time.Second // a black hole must leave time for another try
	firstBackoff   = 100 * time.Millisecond
)

// exchangeError is why one token request brought no token. Its text is
// constant apart from numbers and registered error codes.
type exchangeError struct {
	kind       kind
	reason     string
	retryAfter time.Duration // what the endpoint asked for
	err        error
}

// kind says what a failed token request calls for.
type kind int

const (
	// transient is worth another try: network, 429, 5xx, a broken 200.
	transient kind = iota
	// denied is the endpoint's judgement of these credentials.
	denied
	// refused is any other 4xx, or a redirect: the request will not succeed
	// by being repeated.
	refused
)

func (e *exchangeError) Error() string { return e.SafeText() }

// SafeText implements [problem.Safe].
func (e *exchangeError) SafeText() string {
	if e.err != nil {
		return e.reason + ": " + problem.Describe(e.err)
	}
	return e.reason
}

func (e *exchangeError) Unwrap() error { return e.err }

func errBroken(what string) error {
	return &exchangeError{kind: transient, reason: "the token endpoint gave " + what}
}

// exchanger talks to one token endpoint.
type exchanger struct {
	endpoint  *url.URL
	transport http.RoundTripper
}

// exchange trades credentials for a grant, trying again within ctx as long as
// the failure is transient. It returns the time at which the request that
// succeeded was sent. Every error is an [*exchangeError].
func (x *exchanger) exchange(ctx context.Context, c secrets.Credentials) (grant, time.Time, error) {
	backoff := firstBackoff
	for attempt := 1; ; attempt++ {
		sent := wallNow()
		g, err := x.once(ctx, c, sent)
		if err == nil {
			return g, sent, nil
		}
		failure, ok := errors.AsType[*exchangeError](err)
		if !ok {
			failure = &exchangeError{kind: transient, reason: "asking the token endpoint failed", err: err}
		}
		if failure.kind != transient || attempt == maxAttempts || ctx.Err() != nil {
			return grant{}, time.Time{}, failure
		}
		wait := failure.retryAfter
		if wait == 0 {
			wait = jitter(backoff)
			backoff *= 2
		}
		if !sleep(ctx, wait) {
			return grant{}, time.Time{}, failure
		}
	}
}

// once sends one token request and reads its answer.
func (x *exchanger) once(ctx context.Context, c secrets.Credentials, sent time.Time) (grant, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	form := url.Values{
		"grant_type":    {"client_credentials"},
		"client_id":     {c.ClientID.Reveal()},
		"client_secret": {c.ClientSecret.Reveal()},
	}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.endpoint.String(), strings.NewReader(form))
	if err != nil {
		return grant{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "omr-relay")
	// The RoundTripper itself, not a Client: a redirect is an answer here,
	// and the credentials are not carried on to wherever it points.
	resp, err := x.transport.RoundTrip(req)
	if err != nil {
		return grant{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return grant{}, err
	}
	if resp.StatusCode == http.StatusOK {
		return parseGrant(body, sent)
	}
	return grant{}, judge(resp, body)
}

// judge sorts an answer other than 200.
func judge(resp *http.Response, body []byte) *exchangeError {
	status := resp.StatusCode
	e := &exchangeError{kind: refused, reason: fmt.Sprintf("the token endpoint answered %d", status)}
	var oauth struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &oauth) // not JSON: the status alone tells
	if registered[oauth.Error] {
		e.reason += " " + oauth.Error
	}
	switch {
	case status >= 500, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		e.kind = transient
		e.retryAfter = retryAfter(resp.Header.Get("Retry-After"), wallNow())
	case status == http.StatusUnauthorized,
		oauth.Error == "invalid_client", oauth.Error == "unauthorized_client", oauth.Error == "invalid_grant":
		e.kind = denied
	}
	return e
}

// registered are the codes of RFC 6749 §5.2: the only words of the endpoint
// that reach the log.
var registered = map[string]bool{
	"invalid_request": true, "invalid_client": true, "invalid_grant": true,
	"unauthorized_client": true, "unsupported_grant_type": true, "invalid_scope": true,
}

// retryAfter reads a Retry-After field (RFC 9110 §10.2.3); 0 if there is none.
func retryAfter(value string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(n, 0), 24*60*60)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// jitter spreads d over [d/2, d*3/2).
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d) } //nolint:gosec // spreads load; nobody gains by guessing it

// sleep waits for d and reports whether it did. It does not begin a wait that
// would not end before ctx does.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
