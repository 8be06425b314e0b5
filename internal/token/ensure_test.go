package token_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/sandbox"
)

func TestEnsure(t *testing.T) {
	ensure := func(t *testing.T, r *rig, d, left time.Duration, requests int) {
		t.Helper()
		got, err := r.cache.Ensure(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "left", got, left)
		want(t, "token requests", r.Token.Count(), requests)
	}
	t.Run("mints when the token does not last", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			ensure(t, r, 0, lifetime, 1)
			ensure(t, r, lifetime-1, lifetime, 1)
			time.Sleep(10 * time.Minute)
			ensure(t, r, 50*time.Minute-1, 50*time.Minute, 1)
			ensure(t, r, 50*time.Minute, lifetime, 2)
		})
	})
	t.Run("short-lived tokens are asked for once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.Token.SetLifetime(time.Minute)
			r.Token.SetReissue(true)
			ensure(t, r, 5*time.Minute, time.Minute, 1)
			ensure(t, r, 5*time.Minute, time.Minute, 2)
			time.Sleep(time.Second - 1) // the back-off of a minute's token is 1.1 s and more
			ensure(t, r, 5*time.Minute, 59*time.Second+1, 2)
			time.Sleep(time.Second)
			ensure(t, r, 5*time.Minute, 58*time.Second, 3)
		})
	})
	t.Run("a failure says what is left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.Token.Accept("nobody", "none")
			left, err := r.cache.Ensure(t.Context(), time.Minute)
			want(t, "left of nothing", left, 0)
			if err == nil {
				t.Error("no error")
			}
			r.Token.Accept(sandbox.DefaultClientID, sandbox.DefaultClientSecret)
			time.Sleep(time.Minute)
			r.mustGet(t)
			r.always(status(http.StatusNotFound, ""))
			time.Sleep(time.Minute)
			left, err = r.cache.Ensure(t.Context(), lifetime)
			want(t, "left of the present token", left, lifetime-time.Minute)
			if err == nil {
				t.Error("no error")
			}
		})
	})
	t.Run("a failed refresh is no reason not to try", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.Token.SetLifetime(day)
			r.mustGet(t)
			time.Sleep(daySoft)
			r.answers(status(http.StatusNotFound, ""))
			r.mustCall(t)
			time.Sleep(30 * time.Second) // half of the back-off, all of the hold after a 404
			ensure(t, r, time.Hour, day, 3)
		})
	})
	t.Run("a token that ends while it is asked for again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.Token.SetLifetime(time.Second)
			for n := range 5 { // each a second further on, and none a stand-still
				ensure(t, r, 0, time.Second, 2*n+1)
				ensure(t, r, time.Minute, time.Second, 2*n+2)
				time.Sleep(time.Second)
			}
		})
	})
}
