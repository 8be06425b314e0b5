package token

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"omr-relay/internal/bearer"
	"omr-relay/internal/sensitive"
)

const (
	// maxAnswer is far above any token answer and far below what would hurt.
	maxAnswer = 64 << 10
	// defaultLifetime is for a token that says nowhere how long it lives.
	defaultLifetime = 5 * time.Minute
	// maxToken is more than servers take of a header.
	maxToken = 16 << 10
	// maxLifetime is the longest that is believed of any number, be it
	// milliseconds, a timestamp or "for ever". A token that ends sooner is found
	// out by the upstream, and repaired.
	maxLifetime = 30 * 24 * time.Hour
)

// grant is a usable answer of the token endpoint (RFC 6749 §5.1).
type grant struct {
	value    sensitive.String
	lifetime time.Duration // from the moment the request was sent
}

// parseGrant reads a successful answer to a request sent at the given time. An
// error means that it is empty or broken, or its token of no use; its text is
// constant.
func parseGrant(body []byte, sent time.Time) (grant, error) {
	var fields struct {
		AccessToken string          `json:"access_token"`
		TokenType   string          `json:"token_type"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
		Error       json.RawMessage `json:"error"`
	}
	if len(body) == 0 {
		return grant{}, errBroken("an empty answer")
	}
	if len(body) > maxAnswer {
		return grant{}, errBroken("an oversized answer")
	}
	if err := json.Unmarshal(body, &fields); err != nil {
		if bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) {
			return grant{}, errBroken("a web page, as a sign-in or maintenance page may be, and no token")
		}
		return grant{}, errBroken("an answer that is not the JSON of RFC 6749 §5.1")
	}
	if code, isText := text(fields.Error); isText && code != "" {
		// Some say so with 200.
		return grant{}, errSaid(denied, "an error as if it were a token", code)
	}
	switch {
	case fields.AccessToken == "":
		return grant{}, errBroken("an answer without an access_token")
	case !bearer.Valid(fields.AccessToken) || len(fields.AccessToken) > maxToken:
		return grant{}, errSaid(refused, "an access_token that cannot be sent", "")
	case fields.TokenType != "" && !strings.EqualFold(fields.TokenType, "Bearer"):
		return grant{}, errSaid(refused, "a token that is not a Bearer token", "")
	}
	lifetime := lifetimeOf(fields.ExpiresIn, fields.AccessToken, sent)
	if lifetime <= 0 {
		return grant{}, errBroken("a token that has expired already")
	}
	return grant{value: sensitive.New(fields.AccessToken), lifetime: lifetime}, nil
}

// lifetimeOf is the shorter of what expires_in and the token itself say.
func lifetimeOf(expiresIn json.RawMessage, token string, sent time.Time) time.Duration {
	lifetime, said := seconds(expiresIn)
	own, ownSaid := jwtLifetime(token, sent)
	switch {
	case said && ownSaid:
		return min(lifetime, own)
	case said:
		return lifetime
	case ownSaid:
		return own
	default:
		return defaultLifetime
	}
}

// seconds reads expires_in. Missing, zero, negative and wordy values are no
// lifetime.
func seconds(raw json.RawMessage) (time.Duration, bool) {
	n, ok := number(raw)
	if !ok {
		return 0, false
	}
	lifetime := time.Duration(min(max(n, 0), maxLifetime.Seconds()) * float64(time.Second))
	return lifetime, lifetime > 0
}

// number reads a JSON number, also one that is written as text, as Azure does.
// One that is beyond a float64 is infinite.
func number(raw json.RawMessage) (float64, bool) {
	if inner, isText := text(raw); isText {
		raw = bytes.TrimSpace([]byte(inner))
	}
	var n json.Number
	if len(raw) == 0 || raw[0] == '"' || string(raw) == "null" || json.Unmarshal(raw, &n) != nil {
		return 0, false
	}
	f, err := strconv.ParseFloat(n.String(), 64)
	return f, err == nil || errors.Is(err, strconv.ErrRange)
}

// text reads a JSON string.
func text(raw json.RawMessage) (string, bool) {
	var s *string
	if len(raw) == 0 || json.Unmarshal(raw, &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}

// jwtLifetime reads the exp claim (RFC 7519 §4.1.4) without verifying the
// signature: it only ever shortens how long the relay trusts its own token, or
// stands in for an expires_in that is missing. The lifetime is 0 or less for a
// token that is past.
func jwtLifetime(jwt string, sent time.Time) (time.Duration, bool) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return 0, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return 0, false
	}
	var claims struct {
		Exp json.RawMessage `json:"exp"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return 0, false
	}
	exp, ok := number(claims.Exp)
	if !ok {
		return 0, false
	}
	left := exp - float64(sent.UnixNano())/float64(time.Second)
	return time.Duration(min(max(left, -1), maxLifetime.Seconds()) * float64(time.Second)), true
}
