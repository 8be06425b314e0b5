package token

import (
	"context"
	"errors"
	"maps"
	"time"

	"omr-relay/internal/problem"
	"omr-relay/secrets"
)

// Source is where the credentials come from; [secrets.Store] is one.
type Source interface {
	// Get returns the current credentials. It blocks for the network, until
	// ctx ends at the latest.
	Get(ctx context.Context) (secrets.Credentials, error)
}

const (
	// lookInterval is the least time between two reads of the secret while
	// its last version stands rejected.
	lookInterval = 5 * time.Second
	// deniedHold is how long a version that the endpoint denied is not tried
	// again; refusedHold is the same for other 4xx answers.
	deniedHold  = time.Minute
	refusedHold = 30 * time.Second
	// maxRetryAfter bounds what callers are told, and so what is held back.
	maxRetryAfter = 30 * time.Second
	// shortly is the advice after a failure that may pass any moment.
	shortly = 2 * time.Second
)

// minter makes tokens. One mint runs at a time (the Cache sees to it), which
// is what makes its fields safe.
type minter struct {
	source    Source
	exchanger exchanger
	lead      float64

	// rejected are the secret versions that the token endpoint would not take,
	// by version: a dead credential is not tried over and over, not even when
	// versions take turns.
	rejected  map[string]rejection
	looked    time.Time // the last read of the secret
	last      string    // the version that it brought
	notBefore time.Time // the endpoint's own Retry-After, capped
}

// rejection is one judgement of the token endpoint.
type rejection struct {
	at    time.Time
	hold  time.Duration
	cause *exchangeError
}

func (r rejection) holds() bool { return within(r.at, r.hold) }

// mint reads the secret and exchanges it for a token. It blocks until ctx ends
// at the latest. Every error is a [*problem.Error].
func (m *minter) mint(ctx context.Context) (*Token, error) {
	// Within the deadline the endpoint's Retry-After is simply waited out.
	if wait := m.notBefore.Sub(wallNow()); wait > 0 && wait <= maxRetryAfter && !sleep(ctx, wait) {
		return nil, &problem.Error{Code: problem.TokenUnavailable, Detail: detailToken, RetryAfter: wait,
			Reason: "the token endpoint asked to be left alone"}
	}
	credentials, err := m.read(ctx)
	if err != nil {
		return nil, err
	}
	token, failure := m.try(ctx, credentials)
	if failure != nil && failure.kind == denied {
		// The secret may have been rotated between the read and the exchange.
		if again, err := m.look(ctx); err == nil && again.Version != credentials.Version {
			credentials = again
			token, failure = m.try(ctx, credentials)
		}
	}
	if failure != nil {
		return nil, m.remember(credentials.Version, failure)
	}
	delete(m.rejected, credentials.Version)
	m.notBefore = time.Time{}
	return token, nil
}

// read returns the credentials unless they are known to be rejected.
func (m *minter) read(ctx context.Context) (secrets.Credentials, error) {
	maps.DeleteFunc(m.rejected, func(_ string, r rejection) bool { return !r.holds() })
	// Once the hold is over, a look by somebody else moments ago is no reason
	// to send away a caller who was told to come now.
	if last, ok := m.rejected[m.last]; ok && within(m.looked, lookInterval) {
		return secrets.Credentials{}, m.held(last)
	}
	credentials, err := m.look(ctx)
	if err != nil {
		return secrets.Credentials{}, &problem.Error{Code: problem.CredentialsUnavailable, Detail: detailCredentials,
			RetryAfter: lookInterval, Err: err}
	}
	if known, ok := m.rejected[credentials.Version]; ok {
		return secrets.Credentials{}, m.held(known)
	}
	return credentials, nil
}

func (m *minter) look(ctx context.Context) (secrets.Credentials, error) {
	credentials, err := m.source.Get(ctx)
	m.looked = wallNow()
	if err == nil {
		m.last = credentials.Version
	}
	return credentials, err
}

func (m *minter) try(ctx context.Context, c secrets.Credentials) (*Token, *exchangeError) {
	g, sent, err := m.exchanger.exchange(ctx, c)
	if err != nil {
		failure, _ := errors.AsType[*exchangeError](err)
		return nil, failure
	}
	token := newToken(g.value, sent, g.lifetime, m.lead)
	if !token.validAt(wallNow()) {
		return nil, &exchangeError{kind: transient, reason: "the token expired on its way"}
	}
	return token, nil
}

// remember keeps what the failure means for the next mint and returns it as
// the caller will see it.
func (m *minter) remember(version string, failure *exchangeError) error {
	now := wallNow()
	if failure.kind == transient {
		e := &problem.Error{Code: problem.TokenUnavailable, Detail: detailToken, RetryAfter: shortly, Err: failure}
		if failure.retryAfter > 0 {
			e.RetryAfter = min(failure.retryAfter, maxRetryAfter)
			m.notBefore = now.Add(e.RetryAfter)
		}
		return e
	}
	r := rejection{at: now, hold: deniedHold, cause: failure}
	if failure.kind == refused {
		r.hold = refusedHold
	}
	if m.rejected == nil {
		m.rejected = map[string]rejection{}
	}
	m.rejected[version] = r
	return m.held(r)
}

// held is the error while a version stands rejected. Its RetryAfter is when a
// call will do something new: the secret is read again, or the version tried.
func (m *minter) held(r rejection) error {
	until := m.looked.Add(lookInterval)
	if r.cause.kind == refused {
		until = r.at.Add(r.hold)
	}
	wait := max(until.Sub(wallNow()), time.Second)
	return &problem.Error{Code: problem.TokenUnavailable, Detail: detailToken,
		RetryAfter: min(wait, maxRetryAfter), Err: r.cause}
}

// within reports whether less than d has passed since then. A clock that was
// set back makes it false, so that nothing is held for ever.
func within(then time.Time, d time.Duration) bool {
	elapsed := wallNow().Sub(then)
	return elapsed >= 0 && elapsed < d
}

const (
	detailToken       = "No access token could be had from the token service."
	detailCredentials = "The credentials for the token service could not be read."
)
