// Package token gives every relayed call its Bearer token: minted with the
// client-credentials grant (RFC 6749 §4.4), kept until it expires, refreshed
// while calls run on it, and repaired when the upstream rejects it.
//
//	transport.go  puts the token on a call, replays the call once on a 401
//	cache.go      holds the token; one mint for many callers; soft refresh
//	mint.go       secret → exchange, and what is remembered of failures
//	exchange.go   one token request, and its retries
//	answer.go     what the token endpoint answered, and for how long it holds
//	token.go      a token and its two expiries
package token

import (
	"bytes"
	"strings"
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
}

// newToken returns a token that was requested at sent and lives for lifetime.
// lead is the share of the lifetime before its end at which it turns soft.
func newToken(value sensitive.String, sent time.Time, lifetime time.Duration, lead float64) *Token {
	sent = sent.Round(0)
	early := min(time.Duration(float64(lifetime)*lead), maxLead)
	return &Token{
		value: value, header: sensitive.New("Bearer " + value.Reveal()),
		expiry: sent.Add(lifetime), soft: sent.Add(lifetime - early),
	}
}

// maxLead keeps a day-long token from being refreshed hours too early.
const maxLead = 30 * time.Minute

// wallNow is the time of day, without the monotonic reading.
func wallNow() time.Time { return time.Now().Round(0) }

// In reports whether the token stands in text. It looks for its end alone,
// from the first full stop on: base64 has none, so that the search through
// megabytes of it is one for a byte that does not come.
func (t *Token) In(text []byte) bool { return bytes.Contains(text, []byte(t.end())) }

// Begins returns how many bytes at the end of text may be the beginning of what
// In looks for.
func (t *Token) Begins(text []byte) int {
	needle := t.end()
	tail := text[max(0, len(text)-len(needle)+1):]
	for {
		i := bytes.IndexByte(tail, needle[0])
		if i < 0 {
			return 0
		}
		if tail = tail[i:]; strings.HasPrefix(needle, string(tail)) {
			return len(tail)
		}
		tail = tail[1:]
	}
}

// end is the token from the first full stop on, if that is enough to know it by.
func (t *Token) end() string {
	text := t.value.Reveal()
	if i := strings.IndexByte(text, '.'); i >= 0 && len(text)-i >= 32 {
		return text[i:]
	}
	return text
}

// validAt reports whether the token may still be sent.
func (t *Token) validAt(now time.Time) bool { return t != nil && now.Before(t.expiry) }

// softAt reports whether the token is due for a refresh.
func (t *Token) softAt(now time.Time) bool { return !now.Before(t.soft) }
