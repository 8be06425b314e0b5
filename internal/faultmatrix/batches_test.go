package faultmatrix

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestBatchesMatrix runs every cell of Step Functions' table: a fault, when they are
// asked for something.
func TestBatchesMatrix(t *testing.T) {
	t.Parallel()
	for _, at := range asks {
		for _, f := range sfnFaults {
			for _, row := range findBatches(at, f) {
				for _, p := range f.over {
					name := fmt.Sprintf("%s/%s/%s", at, f.name, p)
					t.Run(strings.ReplaceAll(name, "HTTP/", "HTTP "), func(t *testing.T) {
						t.Parallel()
						runBatchesCell(t, at, f, p, row)
					})
				}
			}
		}
	}
}

func runBatchesCell(t *testing.T, at ask, f *fault, p protocol, want batchesRow) {
	t.Helper()
	slots, deadline := working, patient
	if f.hangs {
		slots = waiting
		if f.times == 0 {
			deadline = hanging
		}
	}
	slots <- struct{}{}
	defer func() { <-slots }()
	b := newBatchesRig(t, p, f)
	path := "/batches"
	if at.method() != http.MethodPost {
		b.states.part(true) // so that the fault meets a connection of its own
		path = b.begun()
		b.states.part(false)
	}
	b.fail(at, f)
	var got outcome
	if at.method() == http.MethodPost {
		got = b.order(deadline)
	} else {
		got = b.send(at.method(), path, deadline, "")
	}
	answer := want.answer
	if answer == "" {
		answer = map[string]string{http.MethodPost: "202", http.MethodGet: "200", http.MethodDelete: "202"}[at.method()]
	}
	if got.text != answer {
		t.Errorf("answered %s, want %s: %s", got.text, answer, got.detail)
	}
	if unavailable := strings.HasPrefix(got.text, "503"); unavailable && (got.retryAfter <= 0 || got.retryAfter > 30) {
		t.Errorf("%s with Retry-After %d", got.text, got.retryAfter)
	}
	if f.serve != nil && b.met.Load() == 0 {
		t.Error("nothing failed")
	}
	if names, _ := b.machine.Executions(); want.done && len(names) != 1 {
		t.Errorf("started %q", names)
	}
	b.states.heal()
	b.recovers(at, path, want)
	if n := b.elsewhere.taken(); n != 0 {
		t.Errorf("%d requests reached the host that was redirected to", n)
	}
}

// recovers sends the same request once more, now that all is well. Whatever happened,
// there is one batch.
func (b *batchesRig) recovers(at ask, path string, want batchesRow) {
	b.t.Helper()
	if at.method() == http.MethodPost {
		if got := b.order(patient); got.text != "202" {
			b.t.Errorf("again: answered %s: %s", got.text, got.detail)
		}
	} else {
		status := "running"
		if at == stopAsk && (want.answer == "" || want.done) {
			status = "stopped"
		}
		if got := b.send(http.MethodGet, path, patient, ""); got.text != "200" || !strings.Contains(string(got.body), `"status":"`+status+`"`) {
			b.t.Errorf("again: answered %s %s, want %s", got.text, got.body, status)
		}
	}
	if names, _ := b.machine.Executions(); len(names) != 1 {
		b.t.Errorf("started %q", names)
	}
}
