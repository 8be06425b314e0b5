package token

import (
	"time"

	"omr-relay/internal/problem"
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

// Rejected reports whether the token service would not have the credentials: no call
// will go well before others are stored, or a ban is over.
func (e *exchangeError) Rejected() bool { return e.kind == denied || e.kind == banned }

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

// registered are the codes of RFC 6749 §5.2: the only words of the endpoint
// that reach the log.
var registered = map[string]bool{
	"invalid_request": true, "invalid_client": true, "invalid_grant": true,
	"unauthorized_client": true, "unsupported_grant_type": true, "invalid_scope": true,
}
