// Package token gives every relayed call its Bearer token: minted with the
// client-credentials grant (RFC 6749 §4.4), kept until it expires, refreshed
// while calls run on it, and repaired when the upstream rejects it.
//
// Each file uses only those below it:
//
//	transport.go  puts the token on a call, replays the call once on a 401
//	guard.go      keeps the token out of the answer
//	cache.go      holds the token; one mint for many callers; soft refresh
//	mint.go       secret → exchange, and when callers are to come back
//	verdicts.go   what the token endpoint has said of a pair of credentials
//	exchange.go   one token request, and its retries
//	answer.go     what the token endpoint answered, and for how long it holds
//	failure.go    why a token request brought none, and what that calls for
//	pause.go      a time during which something is let alone
//	token.go      a token and its two expiries
//	echo.go       finds what is secret of a token, in any text
package token

import (
	"time"

	"omr-relay/internal/sensitive"
)

// Token is an access token. It cannot be printed and never changes.
type Token struct {
	value  sensitive.String
	header sensitive.String // what Authorization holds, put together once
	// Both are wall-clock times without a monotonic reading: Go's monotonic
	// clock stands still while Lambda freezes the environment, and a token
	// does not.
	expiry time.Time // never sent at or after this
	soft   time.Time // worth refreshing at or after this
	echo   *echo     // what no answer may show of it and of the token before it
}

// newToken returns a token that was requested at sent and lives for lifetime.
// lead is the share of the lifetime before its end at which it turns soft.
func newToken(value sensitive.String, sent time.Time, lifetime time.Duration, lead float64) *Token {
	sent = sent.Round(0)
	early := min(time.Duration(float64(lifetime)*lead), maxLead)
	return &Token{
		value: value, header: sensitive.New("Bearer " + value.Reveal()),
		expiry: sent.Add(lifetime), soft: sent.Add(lifetime - early),
		echo: newEcho(value.Reveal()),
	}
}

// follows has the token's answers searched for the token before it as well. It is
// called before anyone else has the token.
func (t *Token) follows(before *Token) {
	if before != nil && !before.value.Equal(t.value) {
		t.echo = newEcho(t.value.Reveal(), before.value.Reveal())
	}
}

// maxLead keeps a day-long token from being refreshed hours too early.
const maxLead = 30 * time.Minute

// wallNow is the time of day, without the monotonic reading.
func wallNow() time.Time { return time.Now().Round(0) }

// validAt reports whether the token may still be sent.
func (t *Token) validAt(now time.Time) bool { return t != nil && now.Before(t.expiry) }

// left is how long the token may still be sent.
func (t *Token) left() time.Duration { return t.expiry.Sub(wallNow()) }

// softAt reports whether the token is due for a refresh.
func (t *Token) softAt(now time.Time) bool { return !now.Before(t.soft) }
