package token_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/problem"
	"omr-relay/internal/token"
)

// result is what one caller of Token got, and when.
type result struct {
	token   *token.Token
	outcome callrecord.Outcome
	err     error
	took    time.Duration
}

// ask calls Token within left on a goroutine of its own and returns once it
// waits. The result is there after wg.
func (r *rig) ask(t *testing.T, wg *sync.WaitGroup, left time.Duration) *result {
	t.Helper()
	res := &result{}
	began := time.Now()
	wg.Go(func() {
		res.token, res.outcome, res.err = r.get(t, left)
		res.took = time.Since(began)
	})
	synctest.Wait()
	return res
}

func TestManyCallersOneMint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.slow(200 * time.Millisecond)
		var wg sync.WaitGroup
		leader := r.ask(t, &wg, budget)
		var others []*result
		for range 99 {
			others = append(others, r.ask(t, &wg, budget))
		}
		wg.Wait()
		want(t, "outcome of the first", leader.outcome, callrecord.Mint)
		for _, other := range others {
			if other.err != nil || other.token != leader.token || other.outcome != callrecord.Wait || other.took != 200*time.Millisecond {
				t.Fatalf("%+v, want the leader's token", other)
			}
		}
		want(t, "token requests", r.Token.Count(), 1)
		want(t, "reads of the secret", r.vault.reads(), 1)
	})
}

func TestWaitersLeaveAtTheirOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.slow(5 * time.Second)
		var wg sync.WaitGroup
		leader := r.ask(t, &wg, budget)
		short := r.ask(t, &wg, time.Second)
		longer := r.ask(t, &wg, 3*time.Second)
		patient := r.ask(t, &wg, 6*time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		_, _, cancelled := r.cache.Token(ctx)
		want(t, "cancelled with its context", errors.Is(cancelled, context.Canceled), true)
		wg.Wait()
		for _, left := range []*result{short, longer} {
			wantFault(t, left.err, problem.TokenUnavailable, 2*time.Second)
			want(t, "left with its context", errors.Is(left.err, context.DeadlineExceeded), true)
		}
		want(t, "short waiter", short.took, time.Second)
		want(t, "longer waiter", longer.took, 3*time.Second)
		want(t, "leader", leader.took, 5*time.Second)
		if leader.err != nil || patient.err != nil || patient.token != leader.token {
			t.Errorf("leader %v, patient waiter %v", leader.err, patient.err)
		}
		want(t, "token requests", r.Token.Count(), 1)
	})
}

// A leader that runs out of time takes nobody with it: one of the waiters
// leads the next mint, the others go on waiting.
func TestWaiterLeadsWhenTheLeadersTimeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.answers(hung, hung)
		var wg sync.WaitGroup
		first := r.ask(t, &wg, time.Second)
		second := r.ask(t, &wg, 3*time.Second)
		rest := []*result{r.ask(t, &wg, budget), r.ask(t, &wg, budget)}
		time.Sleep(time.Second)
		synctest.Wait()
		want(t, "token requests", r.Token.Count(), 2)
		wg.Wait()
		wantFault(t, first.err, problem.TokenUnavailable, 2*time.Second)
		want(t, "first leader", first.took, time.Second)
		for _, res := range rest {
			if res.err != nil || res.token != rest[0].token {
				t.Errorf("a waiter went without: %v", res.err)
			}
		}
		if second.took > 3*time.Second {
			t.Errorf("the second left after %v", second.took)
		}
		if n := r.Token.Count(); n > 3 {
			t.Errorf("%d token requests", n)
		}
		want(t, "mints", r.Token.Mints(), 1)
	})
}

func TestWaitersShareAFailure(t *testing.T) {
	for _, tt := range []struct {
		name     string
		answer   http.HandlerFunc
		requests int
		after    time.Duration
	}{
		{"refused", status(http.StatusForbidden, ""), 1, 30 * time.Second},
		{"denied", status(http.StatusBadRequest, invalidClient), 1, 10 * time.Second},
		{"failing", status(http.StatusBadGateway, ""), 4, 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.always(func(w http.ResponseWriter, req *http.Request) {
					pause(req.Context(), 100*time.Millisecond)
					tt.answer(w, req)
				})
				var wg sync.WaitGroup
				var all []*result
				for range 10 {
					all = append(all, r.ask(t, &wg, budget))
				}
				wg.Wait()
				for _, res := range all {
					wantFault(t, res.err, problem.TokenUnavailable, tt.after)
					want(t, "took as long as the leader", res.took, all[0].took)
				}
				want(t, "token requests", r.Token.Count(), tt.requests)
			})
		})
	}
}

// A mint that panics fails its leader and its waiters and blocks nobody.
func TestMintThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.answers(func(_ http.ResponseWriter, req *http.Request) {
			pause(req.Context(), time.Second)
			panic("in the transport")
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _, err := r.get(t, budget)
			wantFault(t, err, problem.Internal, 0)
		})
		synctest.Wait()
		waiter := r.ask(t, &wg, budget)
		wg.Wait()
		wantFault(t, waiter.err, problem.Internal, 0)
		r.mustGet(t)
	})
}

// TestLesson07_NewerTokenIsKept: a call that finds its token rejected late, when
// there is a newer one, takes that and mints none.
func TestLesson07_NewerTokenIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.mustGet(t)
		var wg sync.WaitGroup
		late := true
		r.Aspose.Respond(func(w http.ResponseWriter, req *http.Request) bool {
			if late {
				late = false
				pause(req.Context(), 500*time.Millisecond)
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
			return false
		})
		wg.Go(func() { r.mustCall(t) })
		synctest.Wait()
		r.Token.RevokeAll()
		r.mustCall(t)
		fresh := r.mustGet(t)
		wg.Wait()
		want(t, "current token", r.mustGet(t), fresh)
		want(t, "mints", r.Token.Mints(), 2)
	})
}

// A rejection while the next token is on its way already waits for that.
func TestRejectionDuringARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.Token.SetLifetime(day)
		r.mustGet(t)
		time.Sleep(daySoft)
		r.slow(500 * time.Millisecond)
		var wg sync.WaitGroup
		wg.Go(func() { r.mustCall(t) }) // refreshes
		synctest.Wait()
		r.Token.RevokeAll()
		want(t, "outcome", r.mustCall(t).Token, callrecord.Repair)
		wg.Wait()
		want(t, "mints", r.Token.Mints(), 2)
	})
}
