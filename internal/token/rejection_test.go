package token_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/problem"
	"omr-relay/internal/sandbox"
	"omr-relay/secrets"
)

// deny has the token service take other credentials than the vault's.
func (r *rig) deny() { r.Token.Accept("other", "other") }

// rotate gives the vault the credentials that [rig.deny] has the service take.
func (r *rig) rotate(version string) { r.vault.put(version, "other", "other") }

func TestRejectedVersionIsLookedAtFiveSecondsAfterTheLastLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.deny()
		_, _, err := r.get(t, budget)
		wantFault(t, err, problem.TokenUnavailable, 10*time.Second)
		r.rotate("v2")
		time.Sleep(5*time.Second - 1)
		_, _, err = r.get(t, budget)
		wantFault(t, err, problem.TokenUnavailable, 5*time.Second+1)
		want(t, "reads of the secret", r.vault.reads(), 2)
		time.Sleep(time.Nanosecond)
		r.mustGet(t)
		want(t, "reads of the secret", r.vault.reads(), 3)
		want(t, "token requests", r.Token.Count(), 2)
	})
}

// Retry-After is kept even if other callers look at the secret in between.
func TestRetryAfterOfARefusalIsHonest(t *testing.T) {
	for _, between := range []time.Duration{time.Hour, 29 * time.Second, 27 * time.Second, 7 * time.Second, time.Second} {
		t.Run(between.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.answers(status(http.StatusForbidden, ""))
				_, _, err := r.get(t, budget)
				wantFault(t, err, problem.TokenUnavailable, 30*time.Second)
				began := time.Now()
				for time.Since(began)+between < 30*time.Second {
					time.Sleep(between)
					_, _, err = r.get(t, budget)
					wantFault(t, err, problem.TokenUnavailable, 30*time.Second-time.Since(began))
					want(t, "token requests", r.Token.Count(), 1)
				}
				time.Sleep(30*time.Second - time.Since(began))
				r.mustGet(t)
				want(t, "token requests", r.Token.Count(), 2)
			})
		})
	}
}

// A refusal is lifted by a new version of the secret as well.
func TestRefusalIsLiftedByANewVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.answers(status(http.StatusForbidden, ""))
		_, _, _ = r.get(t, budget)
		r.deny()
		r.rotate("v2")
		time.Sleep(5 * time.Second)
		r.mustGet(t)
	})
}

func TestLesson10_RotationNeedsNoRedeploy(t *testing.T) {
	t.Run("between two mints", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.mustCall(t)
			r.deny()
			r.rotate("v2")
			time.Sleep(lifetime)
			r.mustCall(t)
			want(t, "token requests", r.Token.Count(), 2)
		})
	})
	t.Run("between the read and the exchange", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.deny()
			r.answers(func(w http.ResponseWriter, req *http.Request) {
				r.rotate("v2")
				status(http.StatusUnauthorized, invalidClient)(w, req)
			})
			r.mustCall(t)
			want(t, "token requests", r.Token.Count(), 2)
			want(t, "reads of the secret", r.vault.reads(), 2)
		})
	})
	t.Run("token and secret turned over together", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.mustCall(t)
			r.deny()
			r.rotate("v2")
			r.Token.RevokeAll()
			record := r.mustCall(t)
			want(t, "upstream calls", record.UpstreamCalls, 2)
		})
	})
	t.Run("the new version is denied too", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.answers(func(w http.ResponseWriter, req *http.Request) {
				r.vault.put("v2", "id", "secret")
				status(http.StatusBadRequest, invalidClient)(w, req)
			}, status(http.StatusBadRequest, invalidClient))
			_, _, err := r.get(t, budget)
			wantFault(t, err, problem.TokenUnavailable, 10*time.Second)
			want(t, "token requests", r.Token.Count(), 2)
			want(t, "reads of the secret", r.vault.reads(), 2)

			time.Sleep(5 * time.Second) // v2 is what was denied last
			_, _, err = r.get(t, budget)
			wantFault(t, err, problem.TokenUnavailable, 5*time.Second)
			want(t, "token requests", r.Token.Count(), 2)

			r.vault.put("v3", sandbox.DefaultClientID, sandbox.DefaultClientSecret)
			time.Sleep(5 * time.Second)
			r.mustGet(t)
		})
	})
	t.Run("the new version meets an outage", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.answers(func(w http.ResponseWriter, req *http.Request) {
				r.rotate("v2")
				status(http.StatusBadRequest, invalidClient)(w, req)
			}, status(http.StatusServiceUnavailable, "", "Retry-After", "40"))
			r.deny()
			_, _, err := r.get(t, budget)
			wantFault(t, err, problem.TokenUnavailable, 30*time.Second)
			time.Sleep(30 * time.Second)
			r.mustGet(t) // nothing is held against v2
		})
	})
}

// The forced re-read after invalid_client is one read, at once, within ctx.
func TestLesson11_ForcedReadNeverSleepsAndEndsWithCtx(t *testing.T) {
	t.Run("never sleeps", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.answers(func(w http.ResponseWriter, req *http.Request) {
				r.deny()
				r.rotate("v2")
				status(http.StatusBadRequest, invalidClient)(w, req)
			})
			began := time.Now()
			r.mustGet(t)
			want(t, "took", time.Since(began), 0)
		})
	})
	t.Run("ends with ctx", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.always(func(w http.ResponseWriter, req *http.Request) {
				r.vault.before(func(ctx context.Context) { <-ctx.Done() })
				status(http.StatusBadRequest, invalidClient)(w, req)
			})
			began := time.Now()
			_, _, err := r.get(t, 3*time.Second)
			wantFault(t, err, problem.TokenUnavailable, 7*time.Second)
			want(t, "took", time.Since(began), 3*time.Second)
		})
	})
	t.Run("its failure changes nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.always(func(w http.ResponseWriter, req *http.Request) {
				r.vault.fail(&secrets.Error{Kind: secrets.AccessDenied})
				status(http.StatusBadRequest, invalidClient)(w, req)
			})
			_, _, err := r.get(t, budget)
			wantFault(t, err, problem.TokenUnavailable, 10*time.Second)
			want(t, "token requests", r.Token.Count(), 1)
		})
	})
}

func TestSecretThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.vault.fail(&secrets.Error{Kind: secrets.AccessDenied})
		_, _, err := r.get(t, budget)
		wantFault(t, err, problem.CredentialsUnavailable, 5*time.Second)
		want(t, "the cause is kept", errors.Is(err, secrets.AccessDenied), true)
		want(t, "token requests", r.Token.Count(), 0)

		r.vault.fail(nil) // nothing is held: the next call works, and at once
		r.mustGet(t)
	})
	t.Run("while a version stands rejected", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.deny()
			_, _, _ = r.get(t, budget)
			r.vault.fail(&secrets.Error{Kind: secrets.NotFound})
			time.Sleep(5 * time.Second)
			_, _, err := r.get(t, budget)
			wantFault(t, err, problem.CredentialsUnavailable, 5*time.Second)
			r.vault.fail(nil)
			r.rotate("v2")
			time.Sleep(5 * time.Second)
			r.mustGet(t)
		})
	})
	t.Run("in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.vault.before(func(ctx context.Context) { <-ctx.Done() })
			began := time.Now()
			_, _, err := r.get(t, 4*time.Second)
			wantFault(t, err, problem.CredentialsUnavailable, 5*time.Second)
			want(t, "took", time.Since(began), 4*time.Second)
		})
	})
}
