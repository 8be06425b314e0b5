package token_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/problem"
)

func TestTokenServesUntilItsExpiry(t *testing.T) {
	for _, tt := range []struct {
		name    string
		age     time.Duration
		outcome callrecord.Outcome
	}{
		{"new", 0, callrecord.Hit},
		{"a nanosecond before", lifetime - 1, callrecord.Hit},
		{"at the expiry", lifetime, callrecord.Mint},
		{"a nanosecond after", lifetime + 1, callrecord.Mint},
		{"long after", 100 * lifetime, callrecord.Mint},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				first := r.mustGet(t)
				time.Sleep(tt.age)
				second, outcome, err := r.get(t, budget)
				if err != nil {
					t.Fatal(err)
				}
				want(t, "outcome", outcome, tt.outcome)
				want(t, "the same token", first == second, tt.outcome == callrecord.Hit)
			})
		})
	}
}

// The time that the answer takes is time that the token has lived.
func TestExpiryIsAnchoredWhereTheRequestWasSent(t *testing.T) {
	t.Run("slow answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.slow(3 * time.Second)
			want(t, "lifetime", r.left(t), lifetime-3*time.Second)
		})
	})
	t.Run("second attempt", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.answers(status(http.StatusServiceUnavailable, "", "Retry-After", "7"))
			want(t, "lifetime", r.left(t), lifetime)
		})
	})
	t.Run("expired on its way", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.Token.SetLifetime(2 * time.Second)
			r.slow(2 * time.Second)
			_, _, err := r.get(t, budget)
			wantFault(t, err, problem.TokenUnavailable, 2*time.Second)
		})
	})
}

// The environment sleeps for hours between two calls. What the monotonic clock
// does meanwhile is in clock_test.go.
func TestLesson01_ExpiredTokenIsNotSentAfterAFreeze(t *testing.T) {
	for _, frozen := range []time.Duration{lifetime - 1, lifetime, 7 * time.Hour, 30 * 24 * time.Hour} {
		t.Run(frozen.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.onlyValid(t)
				r.mustCall(t)
				time.Sleep(frozen)
				r.mustCall(t)
				want(t, "upstream calls", r.Aspose.Count(), 2)
				want(t, "mints", r.Token.Mints(), 2) // a refresh in the first case
			})
		})
	}
}

func TestLesson03_ExpiredTokenIsNotSentWhileTheTokenServiceIsDown(t *testing.T) {
	for _, tt := range []struct {
		name  string
		down  http.HandlerFunc
		after time.Duration
	}{
		{"unreachable", broken, 2 * time.Second},
		{"failing", status(http.StatusInternalServerError, ""), 2 * time.Second},
		{"silent", hung, 2 * time.Second},
		{"busy", status(http.StatusServiceUnavailable, "", "Retry-After", "60"), 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.onlyValid(t)
				r.mustCall(t)
				time.Sleep(lifetime)
				r.always(tt.down)
				_, record, err := r.call(t)
				wantFault(t, err, problem.TokenUnavailable, tt.after)
				want(t, "upstream calls", r.Aspose.Count(), 1)
				want(t, "upstream calls on record", record.UpstreamCalls, 0)

				r.Token.Respond(nil)
				time.Sleep(tt.after)
				r.mustCall(t)
			})
		})
	}
}
