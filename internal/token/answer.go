package token

import (
	"encoding/base64"
	"encoding/json"
	"math"
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
	// maxToken is more than servers take of a header, and little enough for
	// answers to be searched for it piece by piece.
	maxToken = 16 << 10
	// maxLifetime is the longest that is believed; beyond it the number is
	// taken for a fault (milliseconds, a timestamp, "for ever").
	maxLifetime = 30 * 24 * time.Hour
)

// grant is a usable answer of the token endpoint (RFC 6749 §5.1).
type grant struct {
	value    sensitive.String
	lifetime time.Duration // from the moment the request was sent
}

// parseGrant reads a 200 answer to a request sent at the given time. An error
// means that the answer is empty, broken, or its token is of no use; its text
// is constant.
func parseGrant(body []byte, sent time.Time) (grant, error) {
	var fields struct {
		AccessToken string          `json:"access_token"`
		TokenType   string          `json:"token_type"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
	}
	if len(body) == 0 {
		return grant{}, errBroken("an empty answer")
	}
	if len(body) > maxAnswer {
		return grant{}, errBroken("an oversized answer")
	}
	if err := json.Unmarshal(body, &fields); err != nil {
		return grant{}, errBroken("an answer that is not the JSON of RFC 6749 §5.1")
	}
	if !bearer.Valid(fields.AccessToken) || len(fields.AccessToken) > maxToken {
		return grant{}, errBroken("an answer without a usable access_token")
	}
	if fields.TokenType != "" && !strings.EqualFold(fields.TokenType, "Bearer") {
		return grant{}, errBroken("a token that is not a Bearer token")
	}
	lifetime, ok := seconds(fields.ExpiresIn)
	if !ok {
		lifetime, ok = jwtLifetime(fields.AccessToken, sent)
	}
	if !ok {
		lifetime = defaultLifetime
	}
	if lifetime <= 0 {
		return grant{}, errBroken("a token that has expired already")
	}
	return grant{value: sensitive.New(fields.AccessToken), lifetime: lifetime}, nil
}

// seconds reads expires_in. Missing, zero, negative, textual and absurd values
// are no lifetime.
func seconds(raw json.RawMessage) (time.Duration, bool) {
	var n float64
	if len(raw) == 0 || string(raw) == "null" || json.Unmarshal(raw, &n) != nil {
		return 0, false
	}
	if n > maxLifetime.Seconds() {
		return 0, false
	}
	lifetime := time.Duration(n * float64(time.Second))
	return lifetime, lifetime > 0
}

// jwtLifetime reads the exp claim (RFC 7519 §4.1.4) without verifying the
// signature: it only ever shortens how long the relay trusts its own token.
// The lifetime is 0 or less for a token that is past.
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
		Exp *float64 `json:"exp"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Exp == nil {
		return 0, false
	}
	now := float64(sent.UnixNano()) / float64(time.Second)
	left := *claims.Exp - now
	if math.IsNaN(left) || left > maxLifetime.Seconds() {
		return 0, false
	}
	return time.Duration(max(left, -1) * float64(time.Second)), true
}
