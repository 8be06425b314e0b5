package token_test

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/sandbox"
)

// minted is a Minting of one token.
func minted(reason callrecord.Reason) callrecord.Minting {
	return callrecord.Minting{Mints: 1, Reason: reason, SecretReads: 1}
}

// Each call's record has what that call did, and the lifetime of the token that it used.
func TestMintingOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		check := func(what string, did callrecord.Minting, left time.Duration, repairs int) {
			t.Helper()
			got := r.mustCall(t)
			want(t, what, got.Minting, did)
			want(t, what+", lifetime left", got.TokenLeft, left)
			want(t, what+", repairs", got.Repairs, repairs)
		}
		check("the first", minted(callrecord.ColdStart), lifetime, 0)
		time.Sleep(20 * time.Minute)
		check("a hit", callrecord.Minting{}, 40*time.Minute, 0)
		r.Token.RevokeAll()
		check("a repair", minted(callrecord.Repaired), 40*time.Minute, 1) // the rejected token's was less
		time.Sleep(51 * time.Minute)
		check("a soft refresh", minted(callrecord.Refresh), 9*time.Minute, 0)
		time.Sleep(lifetime)
		check("past the expiry", minted(callrecord.Expired), lifetime, 0)
	})
}

// A refresh that the relay gives up after its second is none of the endpoint's failures:
// the present token goes on. One that was answered in vain is.
func TestRefreshThatIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.mustCall(t)
		time.Sleep(51 * time.Minute)
		r.always(hung)
		got := r.mustCall(t)
		want(t, "given up", got.Minting, callrecord.Minting{SecretReads: 1})
		want(t, "the line tells of it", got.RefreshErr != nil, true)
		time.Sleep(5 * time.Minute)
		r.always(status(http.StatusForbidden, ""))
		want(t, "refused", r.mustCall(t).Minting, callrecord.Minting{MintFailures: 1, SecretReads: 1})
	})
}

// Of several who need a token one mints it, and it is counted once.
func TestMintingOfSeveralCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.slow(100 * time.Millisecond)
		var mu sync.Mutex // guards all
		var all callrecord.Minting
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				record := r.mustCall(t)
				mu.Lock()
				defer mu.Unlock()
				all.Add(record.Minting)
			})
		}
		wg.Wait()
		want(t, "all", all, minted(callrecord.ColdStart))
	})
}

func TestMintingThatFails(t *testing.T) {
	denied := callrecord.Minting{MintFailures: 1, CredentialsRejected: 1, SecretReads: 2} // looked for another pair
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   callrecord.Minting
	}{
		{"denied", status(http.StatusBadRequest, invalidClient), denied},
		{"refused", status(http.StatusForbidden, ""), callrecord.Minting{MintFailures: 1, SecretReads: 1}},
		{"banned", status(http.StatusTooManyRequests, "", "Retry-After", "600"), callrecord.Minting{MintFailures: 1, SecretReads: 1}},
		{"out of order", status(http.StatusServiceUnavailable, "", "Retry-After", "600"), callrecord.Minting{MintFailures: 1, SecretReads: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.always(tt.answer)
				_, record, err := r.call(t)
				want(t, "failed", err != nil, true)
				want(t, "did", record.Minting, tt.want)
				want(t, "lifetime left", record.TokenLeft, 0)
			})
		})
	}
}

// A denial that stands counts with every call that needs a token, sent or not, also
// where a ban has come of it. A pair that was stored meanwhile ends that.
func TestMintingWhileADenialStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.always(status(http.StatusBadRequest, invalidClient))
		_, _, _ = r.call(t)
		requests := r.Token.Count()
		_, record, _ := r.call(t)
		want(t, "at once", record.Minting, callrecord.Minting{MintFailures: 1, CredentialsRejected: 1})
		want(t, "requests", r.Token.Count(), requests)
		time.Sleep(10 * time.Second)
		r.always(status(http.StatusTooManyRequests, "", "Retry-After", "600"))
		_, record, _ = r.call(t)
		want(t, "banned", record.Minting, callrecord.Minting{MintFailures: 1, CredentialsRejected: 1, SecretReads: 1})
		r.Token.Respond(nil)
		r.Token.Accept("new", "pair")
		r.vault.put("v2", "new", "pair")
		time.Sleep(5 * time.Second)
		want(t, "with a new pair", r.mustCall(t).Minting, minted(callrecord.ColdStart))
	})
}

// A rotation between the read and the exchange is no rejected secret.
func TestMintingAcrossARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.answers(func(w http.ResponseWriter, req *http.Request) {
			r.Token.Accept("new", "pair")
			r.vault.put("v2", "new", "pair")
			status(http.StatusBadRequest, invalidClient)(w, req)
		})
		want(t, "did", r.mustCall(t).Minting, callrecord.Minting{Mints: 1, Reason: callrecord.ColdStart, SecretReads: 2})
	})
}

// A soft refresh that fails is told as well.
func TestMintingOfAFailedRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.mustCall(t)
		time.Sleep(55 * time.Minute)
		r.always(status(http.StatusBadRequest, invalidClient))
		want(t, "did", r.mustCall(t).Minting, callrecord.Minting{MintFailures: 1, CredentialsRejected: 1, SecretReads: 2})
	})
}

// The upstream's time is the call's, without the token's.
func TestUpstreamTimeOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.slow(300 * time.Millisecond)
		r.Aspose.Respond(func(_ http.ResponseWriter, req *http.Request) bool {
			pause(req.Context(), 50*time.Millisecond)
			return false
		})
		want(t, "after a mint", r.mustCall(t).UpstreamTime(), 50*time.Millisecond)
		r.Token.RevokeAll()
		want(t, "with a repair", r.mustCall(t).UpstreamTime(), 100*time.Millisecond)
	})
}

// The relay's own calls say who makes them.
func TestTokenRequestNamesTheRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.use(t, roundTripFunc(func(req *http.Request) (*http.Response, error) {
			want(t, "User-Agent", req.Header.Get("User-Agent"), "omr-relay/1.0.0")
			return sandbox.InProcess(r.Upstream()).RoundTrip(req)
		}))
		r.mustGet(t)
	})
}
