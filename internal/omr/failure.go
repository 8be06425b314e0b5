package omr

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"omr-relay/internal/httpanswer"
	"omr-relay/internal/problem"
)

// Failure is a call that did not do what it was made for.
type Failure struct {
	// Call is what it was made for, in a word.
	Call string
	// MayHaveArrived says that the upstream may have taken the call: a task that
	// is submitted again may then be paid for twice.
	MayHaveArrived bool
	// Refusal is an answer that is no success; nil if none came.
	Refusal *Refusal
	// Err is the cause, if there is no Refusal. A failure of the token path is
	// a [*problem.Error] in its chain.
	Err error
}

// Refusal is the upstream's own answer. It may be shown to whoever made the
// call, and never be logged.
type Refusal struct {
	Status      int
	ContentType string
	Body        []byte // 64 KB at most; a larger one is left out
	RetryAfter  time.Duration
}

// Error implements error. Its text is safe to log.
func (f *Failure) Error() string {
	if f.Refusal != nil {
		return fmt.Sprintf("%s: the upstream answered %d", f.Call, f.Refusal.Status)
	}
	if e, ok := errors.AsType[*problem.Error](f.Err); ok {
		return f.Call + ": " + e.Error()
	}
	return f.Call + ": " + problem.Describe(f.Err)
}

// Format implements [fmt.Formatter]: no verb reaches into Refusal or Err.
func (f *Failure) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(f.Error())) }

// SafeText implements [problem.Safe].
func (f *Failure) SafeText() string { return f.Error() }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Ours reports whether the failure is the call's own fault, so that another task
// may fare better: everything else would fail another call as well.
func (f *Failure) Ours() bool {
	if f.Refusal == nil {
		return false
	}
	switch f.Refusal.Status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return false
	default:
		return f.Refusal.Status < 500
	}
}

// Lasting reports whether making the same call again soon is of no use.
func (f *Failure) Lasting() bool {
	if f.Refusal == nil {
		_, ours := errors.AsType[*problem.Error](f.Err)
		return ours
	}
	return f.Refusal.Status < 500 && f.Refusal.Status != http.StatusTooManyRequests && f.Refusal.Status != http.StatusRequestTimeout
}

// The ways in which an answer is none; their texts are constant.
var (
	errNoID     = constant("the answer to a submission is no task id")
	errNoResult = constant("the answer is not the JSON of a result")
	errTooLarge = constant("the answer is larger than any result")
	errEncoded  = constant("the answer has a content coding that was not asked for")
)

// constant is the text of an answer that is none, and may be logged: its type tells it
// from every other failure.
type constant string

func (e constant) Error() string    { return string(e) }
func (e constant) SafeText() string { return string(e) }

// InvalidAnswer reports whether an answer came and was none.
func (f *Failure) InvalidAnswer() bool {
	_, ok := errors.AsType[constant](f.Err)
	return ok
}

func refusal(call string, resp *http.Response, body []byte) *Failure {
	return &Failure{
		Call: call,
		// A server that failed may have failed after it queued the task.
		MayHaveArrived: resp.StatusCode >= 500,
		Refusal: &Refusal{
			Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type"),
			Body: body, RetryAfter: min(httpanswer.RetryAfter(resp.Header, time.Now()), time.Hour),
		},
	}
}

// refusedToken reports whether err says that there was no token to send the call
// with, or none that the upstream took: then it has not taken the call either.
func refusedToken(err error) bool {
	e, ok := errors.AsType[*problem.Error](err)
	return ok && (e.Code == problem.CredentialsUnavailable || e.Code == problem.TokenUnavailable || e.Code == problem.UpstreamRejectedToken)
}
