package token_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/problem"
)

// between checks a time that is jittered.
func between(t *testing.T, what string, got, low, high time.Duration) {
	t.Helper()
	if got < low || got >= high {
		t.Errorf("%s: %v, want %v to %v", what, got, low, high)
	}
}

func TestTransientFailureIsTriedAgain(t *testing.T) {
	const jittered = -1
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		after  time.Duration
	}{
		{"broken connection", broken, jittered},
		{"408", status(408, ""), jittered},
		{"429", status(429, ""), jittered},
		{"500", status(500, "oops"), jittered},
		{"502", status(502, "<html>"), jittered},
		{"503", status(503, ""), jittered},
		{"504 with an OAuth code", status(504, invalidClient), jittered},
		{"429, Retry-After in seconds", status(429, "", "Retry-After", "3"), 3 * time.Second},
		{"429, Retry-After of as long as the secret may not be read", status(429, "", "Retry-After", "5"), 5 * time.Second},
		{"503, Retry-After in seconds", status(503, "", "Retry-After", "20"), 20 * time.Second},
		{"429, Retry-After as a date", status(429, "", "Retry-After", "Sat, 01 Jan 2000 00:00:04 GMT"), 4 * time.Second},
		{"429, Retry-After in the past", status(429, "", "Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"), jittered},
		{"429, Retry-After zero", status(429, "", "Retry-After", "0"), jittered},
		{"429, Retry-After negative", status(429, "", "Retry-After", "-5"), jittered},
		{"429, Retry-After in words", status(429, "", "Retry-After", "soon"), jittered},
		{"429, Retry-After beyond numbers", status(429, "", "Retry-After", "99999999999999999999"), jittered},
		{"silence", hung, 8 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.answers(tt.answer)
				began := time.Now()
				r.mustGet(t)
				took := time.Since(began)
				switch tt.name {
				case "silence":
					took -= tt.after // an attempt's time, then the back-off
					tt.after = jittered
				default:
				}
				if tt.after == jittered {
					between(t, "back-off", took, 50*time.Millisecond, 150*time.Millisecond)
				} else {
					want(t, "waited", took, tt.after)
				}
				want(t, "token requests", r.Token.Count(), 2)
				want(t, "reads of the secret", r.vault.reads(), 1)
			})
		})
	}
}

func TestRetriesAreFewAndSpreadOut(t *testing.T) {
	var shortest, longest time.Duration
	for range 30 {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			var at []time.Time
			r.always(func(w http.ResponseWriter, _ *http.Request) {
				at = append(at, time.Now())
				w.WriteHeader(http.StatusInternalServerError)
			})
			began := time.Now()
			_, _, err := r.get(t, budget)
			wantFault(t, err, problem.TokenUnavailable, 2*time.Second)
			if len(at) != 4 {
				t.Fatalf("%d attempts", len(at))
			}
			want(t, "no wait after the last attempt", time.Since(began), at[3].Sub(at[0]))
			for i, step := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond} {
				between(t, "back-off", at[i+1].Sub(at[i]), step/2, step*3/2)
			}
			first := at[1].Sub(at[0])
			longest = max(longest, first)
			if shortest == 0 || first < shortest {
				shortest = first
			}
		})
	}
	if longest-shortest < 20*time.Millisecond {
		t.Errorf("the back-off does not vary: %v to %v", shortest, longest)
	}
}

// These answers will not change by asking again.
func TestFinalAnswersAreNotTriedAgain(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		reads  int // a denied credential has the secret read once more
		after  time.Duration
	}{
		{"400", status(400, ""), 2, 10 * time.Second},
		{"400 invalid_request", status(400, `{"error":"invalid_request"}`), 2, 10 * time.Second},
		{"400 unsupported_grant_type", status(400, `{"error":"unsupported_grant_type"}`), 2, 10 * time.Second},
		{"400 invalid_scope", status(400, `{"error":"invalid_scope"}`), 2, 10 * time.Second},
		{"400 unknown code", status(400, `{"error":"denied"}`), 2, 10 * time.Second},
		{"400 code not text", status(400, `{"error":7}`), 2, 10 * time.Second},
		{"403", status(403, ""), 1, 30 * time.Second},
		{"404", status(404, ""), 1, 30 * time.Second},
		{"405", status(405, ""), 1, 30 * time.Second},
		{"204", status(204, ""), 1, 30 * time.Second},
		{"304", status(304, ""), 1, 30 * time.Second},

		{"400 invalid_client", status(400, invalidClient), 2, 10 * time.Second},
		{"401 invalid_client", status(401, invalidClient), 2, 10 * time.Second},
		{"401", status(401, ""), 2, 10 * time.Second},
		{"401 HTML", status(401, "<html>"), 2, 10 * time.Second},
		{"403 unauthorized_client", status(403, `{"error":"unauthorized_client"}`), 2, 10 * time.Second},
		{"400 invalid_grant", status(400, `{"error":"invalid_grant"}`), 2, 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.always(tt.answer)
				began := time.Now()
				_, _, err := r.get(t, budget)
				wantFault(t, err, problem.TokenUnavailable, tt.after)
				want(t, "took", time.Since(began), 0)
				want(t, "token requests", r.Token.Count(), 1)
				want(t, "reads of the secret", r.vault.reads(), tt.reads)
			})
		})
	}
}

// No wait is begun that the caller's time does not allow.
func TestRetriesStayWithinTheDeadline(t *testing.T) {
	for _, tt := range []struct {
		name     string
		answer   http.HandlerFunc
		left     time.Duration
		took     time.Duration
		requests int
		after    time.Duration
	}{
		{"no time for the back-off", status(500, ""), 50 * time.Millisecond, 0, 1, 2 * time.Second},
		{"no time for Retry-After", status(429, "", "Retry-After", "3"), 3 * time.Second, 0, 1, 3 * time.Second},
		{"no time for a 503's Retry-After", status(503, "", "Retry-After", "3"), 3 * time.Second, 0, 1, 3 * time.Second},
		{"Retry-After of a day", status(429, "", "Retry-After", "86400"), budget, 0, 1, 5 * time.Second},
		{"Retry-After of a year", status(503, "", "Retry-After", "31536000"), budget, 0, 1, 30 * time.Second},
		{"a short deadline in silence", hung, time.Second, time.Second, 1, 2 * time.Second},
		{"a long deadline in silence", hung, budget, budget, 4, 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.always(tt.answer)
				began := time.Now()
				_, _, err := r.get(t, tt.left)
				wantFault(t, err, problem.TokenUnavailable, tt.after)
				want(t, "took", time.Since(began), tt.took)
				want(t, "token requests", r.Token.Count(), tt.requests)
			})
		})
	}
	t.Run("cancelled during the back-off", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.always(status(503, "", "Retry-After", "10"))
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			began := time.Now()
			_, _, err := r.cache.Token(ctx)
			wantFault(t, err, problem.TokenUnavailable, 10*time.Second)
			want(t, "took", time.Since(began), time.Second)
		})
	})
	t.Run("the cause is kept", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.always(hung)
			_, _, err := r.get(t, time.Second)
			want(t, "deadline", errors.Is(err, context.DeadlineExceeded), true)
		})
	})
}

// The endpoint's Retry-After holds for the calls that come after: whoever has
// the time waits it out, the others are told what is left of it.
func TestRetryAfterHoldsAcrossCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.answers(status(503, "", "Retry-After", "10"))
		_, _, err := r.get(t, 5*time.Second)
		wantFault(t, err, problem.TokenUnavailable, 10*time.Second)

		time.Sleep(2 * time.Second)
		began := time.Now()
		_, _, err = r.get(t, 8*time.Second)
		wantFault(t, err, problem.TokenUnavailable, 8*time.Second)
		want(t, "took", time.Since(began), 0)
		want(t, "token requests", r.Token.Count(), 1)
		want(t, "reads of the secret", r.vault.reads(), 1)

		r.mustGet(t)
		want(t, "waited it out", time.Since(began), 8*time.Second)
		want(t, "token requests", r.Token.Count(), 2)
	})
}

func TestRetryAfterIsCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.answers(status(503, "", "Retry-After", "600"))
		_, _, err := r.get(t, budget)
		wantFault(t, err, problem.TokenUnavailable, 30*time.Second)
		time.Sleep(29 * time.Second)
		_, _, err = r.get(t, time.Second/2)
		wantFault(t, err, problem.TokenUnavailable, time.Second)
		time.Sleep(time.Second)
		r.mustGet(t) // as the first caller was told
		want(t, "token requests", r.Token.Count(), 2)
	})
}
