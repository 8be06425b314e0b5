package token

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"

	"omr-relay/internal/budget"
	"omr-relay/internal/httpanswer"
	"omr-relay/internal/problem"
	"omr-relay/secrets"
)

const (
	maxAttempts  = 4
	firstBackoff = 100 * time.Millisecond
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
	// transient is worth another try: network, 5xx, a broken 200, a 429 that does
	// not say for how long.
	transient kind = iota
	// denied is the endpoint's judgement of these credentials. So is any 400, for
	// the service counts them all before it bans a pair.
	denied
	// banned is a 429 that says for how long.
	banned
	// refused is whatever else will not get better by being asked for again.
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

func errBroken(what string) error { return errSaid(transient, what, "") }

// errSaid is what a success that brought no token said, with the error's code if
// that is a registered one.
func errSaid(k kind, what, code string) error {
	e := &exchangeError{kind: k, reason: "the token endpoint gave " + what}
	if registered[code] {
		e.reason += ": " + code
	}
	return e
}

// exchanger talks to one token endpoint.
type exchanger struct {
	endpoint  *url.URL
	transport http.RoundTripper
}

// exchange trades credentials for a grant, trying again within ctx as long as
// the failure is transient, or a ban that ends before patience does. It returns the
// time at which the request that succeeded was sent. Every error is an
// [*exchangeError].
func (x *exchanger) exchange(ctx context.Context, c secrets.Credentials, patience pause) (grant, time.Time, error) {
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
			if _, ok := errors.AsType[*httpanswer.Error](err); ok {
				failure.kind = refused // it would be answered in the same way
			}
		}
		mendable := failure.kind == transient || failure.kind == banned && failure.retryAfter <= patience.left()
		if !mendable || attempt == maxAttempts || ctx.Err() != nil {
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
	ctx, cancel := context.WithTimeout(ctx, budget.TokenAttempt)
	defer cancel()
	form := url.Values{
		"grant_type":    {"client_credentials"},
		"client_id":     {c.ClientID.Reveal()},
		"client_secret": {c.ClientSecret.Reveal()},
	}.Encode()
	watch := new(httpanswer.Watch)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: watch.Got1xx})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.endpoint.String(), strings.NewReader(form))
	if err != nil {
		return grant{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "omr-relay")
	httpanswer.AskPlain(req.Header)
	// The RoundTripper itself, not a Client: a redirect is an answer here,
	// and the credentials are not carried on to wherever it points.
	resp, err := watch.Final(x.transport.RoundTrip(req))
	if err != nil {
		return grant{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := httpanswer.Decode(resp); err != nil {
		return grant{}, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return grant{}, err
	}
	body = bytes.TrimPrefix(body, byteOrderMark)
	if resp.StatusCode >= http.StatusOK && resp.StatusCode < http.StatusNoContent {
		return parseGrant(body, sent)
	}
	return grant{}, judge(resp, body)
}

// byteOrderMark is what some write before JSON (RFC 8259 §8.1).
var byteOrderMark = []byte("\ufeff")

// judge sorts an answer that is no success.
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
		if status == http.StatusTooManyRequests && e.retryAfter > 0 {
			e.kind = banned
		}
	case status == http.StatusBadRequest, status == http.StatusUnauthorized,
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
