package token

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"omr-relay/internal/budget"
	"omr-relay/internal/httpanswer"
	"omr-relay/internal/version"
	"omr-relay/secrets"
)

const (
	maxAttempts  = 4
	firstBackoff = 100 * time.Millisecond
)

// exchanger talks to one token endpoint.
type exchanger struct {
	endpoint  *url.URL
	transport http.RoundTripper
	draw      func() float64 // from [0, 1)
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
			wait = x.jitter(backoff)
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
	req.Header.Set("User-Agent", version.UserAgent)
	httpanswer.AskPlain(req.Header)
	// The RoundTripper itself, not a Client: a redirect is an answer here,
	// and the credentials are not carried on to wherever it points.
	resp, err := x.transport.RoundTrip(req)
	resp, err = watch.Final(resp, err)
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
		e.retryAfter = httpanswer.RetryAfter(resp.Header, wallNow())
		if status == http.StatusTooManyRequests && e.retryAfter > 0 {
			e.kind = banned
		}
	case status == http.StatusBadRequest, status == http.StatusUnauthorized,
		oauth.Error == "invalid_client", oauth.Error == "unauthorized_client", oauth.Error == "invalid_grant":
		e.kind = denied
	}
	return e
}

// jitter spreads d over [d/2, d*3/2).
func (x *exchanger) jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(x.draw()*float64(d))
}
