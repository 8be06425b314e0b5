package token

import (
	"context"
	"errors"
	"strings"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/problem"
	"omr-relay/internal/sensitive"
	"omr-relay/secrets"
)

// Source is where the credentials come from; [secrets.Store] is one.
type Source interface {
	// Get returns the current credentials. It blocks for the network, until
	// ctx ends at the latest.
	Get(ctx context.Context) (secrets.Credentials, error)
}

const (
	// readInterval is the least time between two reads of the secret while there
	// is a verdict against the pair that the last one brought.
	readInterval = 5 * time.Second
	// maxRetryAfter bounds what callers are told, and how long an endpoint that is
	// out of order is let alone for having asked.
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

	verdicts verdicts
	lastPair sensitive.String // that the last read of the secret brought
	lastRead pause            // before the secret is read again for the sake of another pair
	outage   pause            // the Retry-After of an endpoint that is out of order

	did callrecord.Minting // by the mint that runs, or ran last
}

// mint reads the secret and exchanges it for a token. It blocks until ctx ends
// at the latest. Every error is a [*problem.Error].
func (m *minter) mint(ctx context.Context) (*Token, error) {
	m.did = callrecord.Minting{}
	// Within the deadline it is simply waited out.
	if wait := m.outage.left(); wait > 0 && !sleep(ctx, wait) {
		return nil, &problem.Error{Code: problem.TokenUnavailable, Detail: detailToken, RetryAfter: wait,
			Reason: "the token endpoint asked to be left alone"}
	}
	credentials, err := m.usableCredentials(ctx)
	if err != nil {
		return nil, err
	}
	token, failure := m.exchange(ctx, credentials)
	if failure != nil && failure.kind == denied {
		against := m.verdicts.add(credentials.Pair(), failure)
		// The secret may have been rotated between the read and the exchange.
		again, err := m.readSecret(ctx)
		if err != nil || m.verdicts.against(again.Pair()) != nil {
			return nil, m.sentBack(against)
		}
		credentials = again
		token, failure = m.exchange(ctx, credentials)
	}
	if failure != nil {
		return nil, m.failed(credentials.Pair(), failure)
	}
	m.verdicts.clear(credentials.Pair())
	return token, nil
}

// usableCredentials returns the current credentials unless there is a verdict
// against them.
func (m *minter) usableCredentials(ctx context.Context) (secrets.Credentials, error) {
	// Once the verdict's pause is over, a read by somebody else moments ago is no
	// reason to send away a caller who was told to come now.
	if known := m.verdicts.against(m.lastPair); known != nil && m.lastRead.left() > 0 && !m.waitOut(ctx, known) {
		return secrets.Credentials{}, m.sentBack(known)
	}
	credentials, err := m.readSecret(ctx)
	if err != nil {
		return secrets.Credentials{}, &problem.Error{Code: problem.CredentialsUnavailable, Detail: detailCredentials,
			RetryAfter: readInterval, Err: err}
	}
	if known := m.verdicts.against(credentials.Pair()); known != nil && !m.waitOut(ctx, known) {
		return secrets.Credentials{}, m.sentBack(known)
	}
	return credentials, nil
}

// waitOut waits for the end of a ban, if that comes before the secret may be read
// again: whoever waits for this mint waits for another pair as well.
func (m *minter) waitOut(ctx context.Context, v *verdict) bool {
	wait := v.pause.left()
	return v.failure.kind == banned && wait <= m.lastRead.left() && sleep(ctx, wait)
}

func (m *minter) readSecret(ctx context.Context) (secrets.Credentials, error) {
	m.did.SecretReads++
	credentials, err := m.source.Get(ctx)
	m.lastRead = pauseFor(readInterval)
	if err == nil {
		m.lastPair = credentials.Pair()
	}
	return credentials, err
}

func (m *minter) exchange(ctx context.Context, c secrets.Credentials) (*Token, *exchangeError) {
	g, sent, err := m.exchanger.exchange(ctx, c, m.lastRead)
	if err != nil {
		failure, _ := errors.AsType[*exchangeError](err)
		if failure.kind == denied {
			failure.reason += likelyCause(c)
		}
		return nil, failure
	}
	token := newToken(g.value, sent, g.lifetime, m.lead)
	if !token.validAt(wallNow()) {
		return nil, &exchangeError{kind: transient, reason: "the token expired on its way"}
	}
	return token, nil
}

// likelyCause names what is wrong with credentials at first sight.
func likelyCause(c secrets.Credentials) string {
	for _, member := range []struct {
		name  string
		value sensitive.String
	}{{"client_secret", c.ClientSecret}, {"client_id", c.ClientID}} {
		if value := member.value.Reveal(); strings.HasSuffix(value, "\n") || strings.HasSuffix(value, "\r") {
			return "; the " + member.name + " ends in a line break, which is the likely cause"
		}
	}
	return ""
}

// failed keeps what the failure means for the next mint and returns it as the
// caller will see it.
func (m *minter) failed(pair sensitive.String, failure *exchangeError) error {
	if failure.kind != transient {
		return m.sentBack(m.verdicts.add(pair, failure))
	}
	e := &problem.Error{Code: problem.TokenUnavailable, Detail: detailToken, RetryAfter: shortly, Err: failure}
	if failure.retryAfter > 0 {
		e.RetryAfter = min(failure.retryAfter, maxRetryAfter)
		m.outage = pauseFor(e.RetryAfter)
	}
	return e
}

// sentBack is the error while there is a verdict against the pair. Its RetryAfter
// is when the pair will be sent again; where that is far off, when the secret will
// be read again in the hope of another pair.
func (m *minter) sentBack(v *verdict) error {
	if v.denials > 0 {
		m.did.CredentialsRejected = 1
	}
	wait := v.pause.left()
	if wait > maxRetryAfter {
		wait = m.lastRead.left()
	}
	return &problem.Error{Code: problem.TokenUnavailable, Detail: detailToken, RetryAfter: max(wait, time.Second), Err: v.failure}
}

const (
	detailToken       = "No access token could be had from the token service."
	detailCredentials = "The credentials for the token service could not be read."
)
