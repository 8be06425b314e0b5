package token_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/callrecord"
)

// doubling is how a day's token spaces its refreshes that bring nothing.
var doubling = []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute}

// spacing checks that after the refresh that has just been tried the next ones
// come after exactly these times, and no call fails.
func spacing(t *testing.T, r *rig, waits []time.Duration) {
	t.Helper()
	for _, wait := range waits {
		before := r.Token.Count()
		r.mustCall(t)
		time.Sleep(wait - 1)
		want(t, "outcome during the back-off", r.mustCall(t).Token, callrecord.Hit)
		want(t, "token requests during the back-off", r.Token.Count(), before)
		time.Sleep(time.Nanosecond)
		want(t, "outcome after the back-off", r.mustCall(t).Token, callrecord.SoftRefresh)
		want(t, "token requests after the back-off", r.Token.Count(), before+1)
	}
}

func TestFailedRefreshHarmsNobodyAndBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.Token.SetLifetime(day)
		r.onlyValid(t)
		r.mustCall(t)
		time.Sleep(daySoft)
		r.always(status(http.StatusNotFound, ""))
		want(t, "outcome", r.mustCall(t).Token, callrecord.SoftRefresh)
		spacing(t, r, doubling)
		r.Token.Respond(nil)
		time.Sleep(5 * time.Minute)
		r.mustCall(t)
		want(t, "mints", r.Token.Mints(), 2)
	})
}

func TestRefreshThatHangsBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.Token.SetLifetime(day)
		r.mustCall(t)
		time.Sleep(daySoft)
		r.always(hung)
		r.mustCall(t)
		spacing(t, r, doubling[:2])
	})
}

// The endpoint's Retry-After holds for refreshes too.
func TestRefreshHonoursRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.Token.SetLifetime(200 * time.Second) // soft for 30 s at least
		r.mustCall(t)
		time.Sleep(170 * time.Second)
		r.answers(status(http.StatusServiceUnavailable, "", "Retry-After", "20"))
		r.mustCall(t) // waits a second for the refresh, then gives it up
		time.Sleep(20*time.Second - 1)
		r.mustCall(t)
		want(t, "token requests", r.Token.Count(), 2)
		time.Sleep(time.Nanosecond)
		r.mustCall(t)
		want(t, "token requests", r.Token.Count(), 3)
		want(t, "mints", r.Token.Mints(), 2)
	})
}

func TestLesson08_RefreshThatDoesNotExtendTheExpiryBacksOff(t *testing.T) {
	// Tokens that end when the server's own cached one does: a call a second
	// for the last half hour may not bring a token request a second.
	t.Run("the same token again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.Token.SetLifetime(day)
			r.Token.SetReissue(true)
			r.onlyValid(t)
			r.mustCall(t)
			time.Sleep(daySoft)
			requests, last := r.Token.Count(), time.Now().Add(-time.Hour)
			for range 30 * 60 {
				r.mustCall(t)
				if n := r.Token.Count(); n != requests {
					if since := time.Since(last); n > requests+1 || since < time.Minute {
						t.Fatalf("%d token requests %v after the last", n-requests, since)
					}
					requests, last = n, time.Now()
				}
				time.Sleep(time.Second)
			}
			if requests < 2 || requests > 6 {
				t.Errorf("%d token requests in half an hour", requests-1)
			}
			want(t, "mints", r.Token.Mints(), 1)
			want(t, "outcome past the expiry", r.mustCall(t).Token, callrecord.Mint)
			want(t, "mints", r.Token.Mints(), 2)
		})
	})
	t.Run("one that ends sooner", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.Token.SetLifetime(day)
			r.mustCall(t)
			old := r.mustGet(t)
			time.Sleep(daySoft)
			r.always(ok(grantJSON("short", `,"expires_in":600`)))
			r.mustCall(t)
			want(t, "the longer-lived token stays", r.mustGet(t), old)
			spacing(t, r, doubling[:2])
		})
	})
	t.Run("rounding is no gain", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.Token.SetLifetime(day)
			r.mustCall(t)
			time.Sleep(daySoft)
			r.Aspose.Respond(anyToken)
			r.always(ok(grantJSON("again", `,"expires_in":1801.999`)))
			r.mustCall(t)
			// Stuck, and so not asked for a time that the token does not have.
			before := r.Token.Count()
			if _, err := r.cache.Ensure(t.Context(), lifetime); err != nil {
				t.Error(err)
			}
			want(t, "token requests", r.Token.Count(), before)
		})
	})
	t.Run("two seconds are", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.Token.SetLifetime(day)
			r.mustCall(t)
			time.Sleep(daySoft)
			r.answers(ok(grantJSON("next", `,"expires_in":1802`)))
			r.Aspose.Respond(anyToken)
			want(t, "outcome", r.mustCall(t).Token, callrecord.SoftRefresh)
			want(t, "outcome", r.mustCall(t).Token, callrecord.Hit)
			before := r.Token.Count()
			if _, err := r.cache.Ensure(t.Context(), lifetime); err != nil {
				t.Error(err)
			}
			want(t, "token requests", r.Token.Count(), before+1)
		})
	})
}

func anyToken(w http.ResponseWriter, _ *http.Request) bool {
	w.WriteHeader(http.StatusOK)
	return true
}

// A refresh that works ends the back-off: the next soft token does not inherit it.
func TestBackOffEndsWithSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.Token.SetLifetime(day)
		r.mustCall(t)
		time.Sleep(daySoft)
		r.answers(status(http.StatusNotFound, ""), status(http.StatusNotFound, ""))
		r.mustCall(t)
		spacing(t, r, doubling[:2]) // the second of them works
		want(t, "mints", r.Token.Mints(), 2)
		time.Sleep(daySoft)
		r.always(status(http.StatusNotFound, ""))
		want(t, "outcome", r.mustCall(t).Token, callrecord.SoftRefresh)
		spacing(t, r, doubling[:1])
	})
}
