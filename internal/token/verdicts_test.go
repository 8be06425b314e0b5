package token_test

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/problem"
	"omr-relay/internal/sandbox"
)

// TestLesson09_DeadCredentialIsNotHammered: a call a second for half an hour, each
// of which is told when something new will be tried.
func TestLesson09_DeadCredentialIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.deny()
		var sent []int
		tried, promised := 0, []int(nil)
		for second := range 1800 {
			before := r.Token.Count() + r.vault.reads()
			_, _, err := r.get(t, budget)
			if r.Token.Count() > len(sent) {
				sent = append(sent, second)
			}
			if r.Token.Count()+r.vault.reads() > before {
				tried = second
			}
			promised = slices.DeleteFunc(promised, func(by int) bool {
				if by == second && tried < second {
					t.Errorf("nothing new at %d s, as somebody was told", second)
				}
				return by <= second
			})
			told := problem.From(err).RetryAfter
			if told <= 0 || told > 30*time.Second || told%time.Second != 0 {
				t.Fatalf("at %d s: %v, to be tried again after %v", second, err, told)
			}
			promised = append(promised, second+int(told/time.Second))
			time.Sleep(time.Second)
		}
		if !slices.Equal(sent, []int{0, 10, 130, 730, 1330}) {
			t.Errorf("sent at seconds %v", sent)
		}
		want(t, "reads of the secret", r.vault.reads() <= 1800/5+len(sent), true)
	})
}

// TestLesson24_SpuriousDenialCostsSeconds: the second try of the pair is good.
func TestLesson24_SpuriousDenialCostsSeconds(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"invalid_client": status(http.StatusBadRequest, invalidClient), "400": status(http.StatusBadRequest, "<html>"),
		"401": status(http.StatusUnauthorized, ""), "200": ok(invalidClient),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.answers(answer)
				_, _, err := r.get(t, budget)
				wantFault(t, err, problem.TokenUnavailable, 10*time.Second)
				time.Sleep(10*time.Second - 1)
				_, _, err = r.get(t, budget)
				wantFault(t, err, problem.TokenUnavailable, time.Second)
				want(t, "token requests", r.Token.Count(), 1)
				time.Sleep(time.Nanosecond)
				r.mustGet(t) // no need to wait for the next read of the secret as well
				want(t, "token requests", r.Token.Count(), 2)
			})
		})
	}
}

// A pair that was good in between starts anew.
func TestDenialsAreForgottenWithSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.Token.SetLifetime(time.Second)
		for range 4 {
			r.answers(status(http.StatusBadRequest, invalidClient))
			_, _, _ = r.get(t, budget)
			time.Sleep(10 * time.Second)
			r.mustGet(t)
			time.Sleep(time.Second)
		}
	})
}

// TestLesson24_BanHoldsForThePairAlone: for as long as it says, whatever the
// secret's version is called; another pair is free at once.
func TestLesson24_BanHoldsForThePairAlone(t *testing.T) {
	t.Run("in full", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.answers(status(http.StatusTooManyRequests, "", "Retry-After", "600"))
			began := time.Now()
			for time.Since(began) < 595*time.Second {
				_, _, err := r.get(t, budget)
				told := 600*time.Second - time.Since(began)
				if told > 30*time.Second {
					told = 5 * time.Second
				}
				wantFault(t, err, problem.TokenUnavailable, told)
				want(t, "token requests", r.Token.Count(), 1)
				time.Sleep(5 * time.Second)
				r.vault.put(time.Now().String(), sandbox.DefaultClientID, sandbox.DefaultClientSecret)
			}
			r.mustGet(t) // waits for the rest
			want(t, "sent after", time.Since(began), 600*time.Second)
			want(t, "token requests", r.Token.Count(), 2)
		})
	})
	for name, against := range map[string]http.HandlerFunc{
		"ban":     status(http.StatusTooManyRequests, "", "Retry-After", "600"),
		"denial":  status(http.StatusBadRequest, invalidClient),
		"refusal": status(http.StatusForbidden, ""),
	} {
		t.Run("another pair after a "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.answers(against)
				_, _, _ = r.get(t, budget)
				r.deny()
				r.rotate("v1") // moto and others may keep the version's name
				time.Sleep(5*time.Second - 1)
				if _, _, err := r.get(t, budget); err == nil {
					t.Error("the secret was read within 5 s of the last time")
				}
				time.Sleep(time.Nanosecond)
				began := time.Now()
				r.mustGet(t)
				want(t, "took", time.Since(began), 0)
			})
		})
	}
}

// TestLesson24_StandInsBanIsNeverEarned: against a service that bans, the relay
// comes back as soon as credentials are good, and by itself.
func TestLesson24_StandInsBanIsNeverEarned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.deny()
		for range 700 {
			_, _, _ = r.get(t, budget)
			time.Sleep(time.Second)
		}
		want(t, "denials", r.Token.Count(), 3)
		r.Token.Accept(sandbox.DefaultClientID, sandbox.DefaultClientSecret)
		time.Sleep(30 * time.Second)
		r.mustGet(t)
	})
}

// Pairs that take turns are each remembered: a dead one that comes back is not
// sent before its time, whatever happened to others meanwhile.
func TestDeadPairComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.deny()
		began := time.Now()
		dead := map[string]int{}
		r.Token.Respond(func(_ http.ResponseWriter, req *http.Request) bool {
			_ = req.ParseForm()
			dead[req.Form.Get("client_secret")]++
			return false
		})
		for n := 0; time.Since(began) < 9*time.Minute; n++ {
			// The version's name says nothing.
			r.vault.put([]string{"v1", "v2"}[n%2], sandbox.DefaultClientID, []string{"dead", "gone", "lost"}[n%3])
			if _, _, err := r.get(t, budget); err == nil {
				t.Fatal("a token")
			}
			time.Sleep(5 * time.Second)
		}
		for secret, n := range dead {
			if n > 4 || n < 3 {
				t.Errorf("%s was sent %d times in 9 minutes", secret, n)
			}
		}
		r.rotate("v1")
		r.mustGet(t)
	})
}
