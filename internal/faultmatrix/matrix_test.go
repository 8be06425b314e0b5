package faultmatrix

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"omr-relay/internal/app"
	"omr-relay/internal/budget"
)

const (
	// hanging is the deadline of cells that end with it, patient that of all
	// others, which a busy machine may need.
	hanging = 5 * time.Second
	patient = 20 * time.Second
	// deployed is that of cells that end with a limit of a connection's own: like
	// the deployed function's, it is longer than that.
	deployed = budget.Dial + budget.TLSHandshake + 2*time.Second
)

// Some of what cells expect depends on the time that the relay gives to a
// service. So that a busy machine has it, few run at once.
var (
	waiting = make(chan struct{}, 20) // cells that hang
	working = make(chan struct{}, 12) // the others
)

// TestMatrix runs every cell of the table: a fault of one service, at a
// moment, met by an event.
func TestMatrix(t *testing.T) {
	t.Parallel()
	for _, hop := range hops {
		for _, when := range moments {
			for _, f := range faults {
				for _, p := range f.over {
					if !happens(hop, when, f, p) {
						continue
					}
					for _, kind := range events {
						name := fmt.Sprintf("%s/%s/%s/%s/%s", hop, when, f.name, p, kind)
						t.Run(strings.ReplaceAll(name, "HTTP/", "HTTP "), func(t *testing.T) {
							t.Parallel()
							runCell(t, hop, when, f, p, kind)
						})
					}
				}
			}
		}
	}
}

// runCell runs a cell. A connection is not always kept, the SDK's least of all:
// one that had none to lose is run again.
func runCell(t *testing.T, hop app.Hop, when moment, f *fault, p protocol, kind string) {
	t.Helper()
	expected, ok := find(hop, when, f, p)
	if !ok {
		t.Fatal("the table does not have this cell")
	}
	slots := working
	if f.hangs {
		slots = waiting
	}
	slots <- struct{}{}
	defer func() { <-slots }()
	for range 30 {
		r := newRig(t, hop, p, f)
		r.prepare(hop, when, kind, f)
		if r.meet(hop, f, kind, expected) {
			return
		}
	}
	t.Error("no connection was kept")
}

// meet invokes the relay while one service fails and compares what comes of it
// with the row. It returns false if the fault could not happen.
func (r *rig) meet(hop app.Hop, f *fault, kind string, expected *row) bool {
	t, failing, want := r.t, r.services[hop], expected.of(kind)
	t.Helper()
	deadline := patient
	switch {
	case f == &tlsSilent:
		deadline = deployed
	case f.hangs:
		deadline = hanging
	}
	failing.fail(f)
	got := r.invoke(kind, "measured", deadline)
	if f.stale && !failing.died() {
		return false
	}
	calls := r.calls()
	if got.text != want.outcome {
		t.Errorf("answered %s, want %s", got.text, want.outcome)
	}
	if i := slices.Index(hops, hop); calls[i] <= expected.tries {
		calls[i] = want.calls[i]
	}
	if calls != want.calls {
		t.Errorf("calls of %v: %v, want %v", hops, calls, want.calls)
	}
	if got.took >= deadline+slack {
		t.Errorf("answered after %s, past the deadline", got.took)
	}
	if strings.HasSuffix(got.text, "passed on") && !bytes.Equal(got.body, failing.lastAnswer()) {
		t.Errorf("passed on %q, the upstream sent %q", got.body, failing.lastAnswer())
	}
	if hop == app.HopUpstream && got.detail != "" {
		checkDetail(t, got.detail, calls[2])
	}
	if expected.when == later && kind == warmUp && hop != app.HopUpstream {
		// Whatever the warm-up met, the token that is there serves on.
		r.want(http.MethodGet, "200", "during")
		if calls := r.calls(); calls != [3]int{0, 0, 1} {
			t.Errorf("with a token in hand: calls of %v: %v", hops, calls)
		}
	}
	if f == &tooManyAfter && hop == app.HopUpstream && kind != warmUp && got.retryAfter != 1 {
		t.Errorf("the upstream's Retry-After became %d", got.retryAfter)
	}
	if !f.hangs && kind == http.MethodGet {
		r.prefetches()
	}
	failing.heal()
	r.recovers(kind, got, expected)
	if n := r.elsewhere.taken(); n != 0 {
		t.Errorf("%d requests reached the host that was redirected to", n)
	}
	r.keptSecret(got)
	return true
}

// prefetches tries what the function does when it starts. Its error goes into
// the log.
func (r *rig) prefetches() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patient)
	defer cancel()
	err := r.relay.Prefetch(ctx)
	if leak := canaries.find(fmt.Appendf(nil, "%s %+v %#v %q", err, err, err, err)); leak != "" {
		r.t.Errorf("the error shows %s: %#v", leak, err)
	}
}

// checkDetail holds a problem to what it says of the call.
func checkDetail(t *testing.T, detail string, calls int) {
	t.Helper()
	switch {
	case calls > 0 && strings.Contains(detail, "not sent"):
		t.Errorf("received %d times, and the caller is told: %s", calls, detail)
	case calls == 0 && !strings.Contains(detail, "not sent"):
		t.Errorf("not received, and the caller is told: %s", detail)
	}
}

// prepare brings the relay to the moment at which the fault begins.
func (r *rig) prepare(hop app.Hop, when moment, kind string, f *fault) {
	r.t.Helper()
	if when == first {
		return
	}
	// Except where the point is to keep them, connections end with each answer:
	// the fault meets a new one.
	r.part(!f.stale)
	r.world.lives(60) // shorter than what a warm-up asks for
	r.want(http.MethodGet, "200", "before")
	r.world.lives(3600)
	if kind != warmUp && hop != app.HopUpstream {
		r.world.revoke() // so that the call needs another one
	}
	r.part(false)
	r.calls()
}

func (r *rig) part(on bool) {
	for _, s := range r.services {
		s.part(on)
	}
}

// calls returns how often each service was called since it was last asked.
func (r *rig) calls() (n [3]int) {
	for i, hop := range hops {
		n[i] = r.services[hop].taken()
	}
	return n
}

func (r *rig) want(kind, want, id string) {
	r.t.Helper()
	if got := r.invoke(kind, id, patient); got.text != want {
		r.t.Errorf("%s %s: answered %s, want %s", id, kind, got.text, want)
	}
}

// recovers wants the next call to succeed, now that all is well, unless the
// relay said to come later: see TestHeldNoLongerThanSaid.
func (r *rig) recovers(kind string, failed outcome, expected *row) {
	r.t.Helper()
	want := "200"
	if kind == warmUp {
		want = "warm"
	}
	if expected.held {
		want = failed.text
	}
	r.calls()
	if got := r.invoke(kind, "after", patient); got.text != want {
		r.t.Errorf("when all is well again: %s, want %s", got.text, want)
	}
	if calls := r.calls(); expected.held && calls[1] != 0 {
		r.t.Errorf("%d token requests in spite of the hold", calls[1])
	}
}

// keptSecret searches everything that was written for secrets.
func (r *rig) keptSecret(got outcome) {
	r.t.Helper()
	log := r.out.bytes()
	for name, text := range map[string][]byte{"log": log, "answer": got.payload, "answer's body": got.body} {
		if leak := canaries.find(text); leak != "" {
			r.t.Errorf("the %s shows %s: %s", name, leak, text)
		}
	}
	if leak := results.find(log); leak != "" {
		r.t.Errorf("the log shows %s: %s", leak, log)
	}
}
