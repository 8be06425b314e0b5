package token_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/problem"
)

const (
	// A day's token is refreshed 30 minutes before its end, without jitter.
	day     = 24 * time.Hour
	daySoft = day - 30*time.Minute
)

func TestSoftExpiry(t *testing.T) {
	for _, tt := range []struct {
		name          string
		lifetime, age time.Duration
		refreshed     bool
	}{
		// The jitter lies between 15 and 25 % of the lifetime.
		{"an hour, before the window", time.Hour, 45*time.Minute - 1, false},
		{"an hour, after the window", time.Hour, 51 * time.Minute, true},
		{"five minutes, before the window", 5 * time.Minute, 225*time.Second - 1, false},
		{"five minutes, after the window", 5 * time.Minute, 255 * time.Second, true},
		{"a day, a nanosecond before", day, daySoft - 1, false},
		{"a day, at the soft expiry", day, daySoft, true},
		{"a day, last moment", day, day - 1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.Token.SetLifetime(tt.lifetime)
				r.onlyValid(t)
				r.mustCall(t)
				time.Sleep(tt.age)
				record := r.mustCall(t)
				mints, outcome := 1, callrecord.Hit
				if tt.refreshed {
					mints, outcome = 2, callrecord.SoftRefresh
				}
				want(t, "mints", r.Token.Mints(), mints)
				want(t, "outcome", record.Token, outcome)
				time.Sleep(tt.lifetime - tt.age)
				want(t, "outcome of a call past the first expiry", r.mustCall(t).Token == callrecord.Hit, tt.refreshed)
			})
		})
	}
}

// Environments that started together do not refresh together.
func TestSoftExpiryIsJitteredPerEnvironment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const environments = 40
		rigs := make([]*rig, environments)
		for i := range rigs {
			rigs[i] = newRig(t)
			rigs[i].mustCall(t)
		}
		seen, earlier := map[int]int{}, map[*rig]bool{}
		time.Sleep(lifetime * 3 / 4)
		for step := range 11 { // a percent of the lifetime each
			for _, r := range rigs {
				if r.mustCall(t); r.Token.Mints() == 2 && !earlier[r] {
					seen[step]++
					earlier[r] = true
				}
			}
			time.Sleep(lifetime / 100)
		}
		want(t, "environments refreshed", len(earlier), environments)
		if len(seen) < 4 {
			t.Errorf("the refreshes bunch: %v", seen)
		}
	})
}

// The refresh runs while the call does: together they take as long as the
// longer one, and what the call waits for at its end is a second at most.
func TestRefreshRunsBesideTheCall(t *testing.T) {
	for _, tt := range []struct {
		name             string
		upstream, tokens time.Duration
		took             time.Duration
		fresh            bool
	}{
		{"faster than the call", 500 * time.Millisecond, 300 * time.Millisecond, 500 * time.Millisecond, true},
		{"slower than the call", 500 * time.Millisecond, 900 * time.Millisecond, 900 * time.Millisecond, true},
		{"no slower than may be", 500 * time.Millisecond, 1500*time.Millisecond - 1, 1500*time.Millisecond - 1, true},
		{"too slow", 500 * time.Millisecond, time.Minute, 1500 * time.Millisecond, false},
		{"too slow for a quick call", 0, time.Minute, time.Second, false},
		{"slow beside a slow call", 6 * time.Second, 5 * time.Second, 6 * time.Second, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.Token.SetLifetime(day)
				old := r.mustGet(t)
				time.Sleep(daySoft)
				r.slow(tt.tokens)
				r.Aspose.Respond(func(_ http.ResponseWriter, req *http.Request) bool {
					pause(req.Context(), tt.upstream)
					return false
				})
				began := time.Now()
				want(t, "outcome", r.mustCall(t).Token, callrecord.SoftRefresh)
				want(t, "took", time.Since(began), tt.took)
				want(t, "a fresh token", r.mustGet(t) != old, tt.fresh)
			})
		})
	}
}

// Whatever becomes of the call, its refresh is over when it is.
func TestLesson02_NothingOutlivesItsInvocation(t *testing.T) {
	softRig := func(t *testing.T) *rig {
		t.Helper()
		r := newRig(t)
		r.Token.SetLifetime(day)
		r.mustGet(t)
		time.Sleep(daySoft)
		return r
	}
	t.Run("hung refresh", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := softRig(t)
			ended := false
			r.always(func(w http.ResponseWriter, req *http.Request) {
				hung(w, req)
				ended = true
			})
			r.mustCall(t)
			want(t, "the token request has ended with the call", ended, true)
		})
	})
	t.Run("failed call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := softRig(t)
			ended := false
			r.always(func(w http.ResponseWriter, req *http.Request) {
				hung(w, req)
				ended = true
			})
			r.Aspose.Respond(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
			if _, _, err := r.call(t); err == nil {
				t.Error("the upstream's failure is lost")
			}
			want(t, "the token request has ended with the call", ended, true)
		})
	})
	t.Run("invocation out of time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := softRig(t)
			r.always(hung)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			began := time.Now()
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, baseURL+"/v5.0/omr/x", nil)
			if status, err := roundTrip(r.transport, req); err != nil || status != http.StatusNotFound {
				t.Errorf("%d, %v", status, err)
			}
			want(t, "took", time.Since(began), 300*time.Millisecond)
		})
	})
	t.Run("the next invocation has a context of its own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			for range 3 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				if _, _, err := r.cache.Token(ctx); err != nil {
					t.Error(err)
				}
				cancel()
				time.Sleep(lifetime) // frozen, past that invocation's deadline
			}
			want(t, "mints", r.Token.Mints(), 3)
		})
	})
	// A mint that the freeze caught is given up, not waited for.
	t.Run("a mint that spans a freeze", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.answers(hung)
			_, _, err := r.get(t, time.Second)
			wantFault(t, err, problem.TokenUnavailable, 2*time.Second)
			time.Sleep(8 * time.Hour)
			began := time.Now()
			r.mustCall(t)
			want(t, "took", time.Since(began), 0)
		})
	})
}

// Two calls on a soft token begin one refresh.
func TestOneRefreshAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.Token.SetLifetime(day)
		r.mustGet(t)
		time.Sleep(daySoft)
		r.slow(800 * time.Millisecond)
		first := make(chan *callrecord.Record)
		go func() { first <- r.mustCall(t) }()
		synctest.Wait()
		began := time.Now()
		want(t, "second outcome", r.mustCall(t).Token, callrecord.Hit)
		want(t, "second took", time.Since(began), 0)
		want(t, "first outcome", (<-first).Token, callrecord.SoftRefresh)
		want(t, "mints", r.Token.Mints(), 2)
	})
}
