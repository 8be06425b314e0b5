package idempotency_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/idempotency"
	"omr-relay/internal/problem"
)

// memory is a Store with conditional writes, as S3's are.
type memory struct {
	mu     sync.Mutex // guards what follows
	data   map[string][]byte
	writes int
	// lost has a write take place and its answer lost: whoever tries again finds it
	// done.
	lost int
	// fail is what the next calls come to.
	fail error
}

func (m *memory) ReadRecord(_ context.Context, key string) ([]byte, string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, "", m.fail
	}
	data, ok := m.data[key]
	if !ok {
		return nil, "", nil
	}
	return data, m.tag(data), nil
}

func (m *memory) tag(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

func (m *memory) WriteRecord(_ context.Context, key string, data []byte, version string) (string, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	if m.fail != nil {
		return "", false, m.fail
	}
	if m.data == nil {
		m.data = map[string][]byte{}
	}
	there, ok := m.data[key]
	if ok != (version != "") || ok && m.tag(there) != version {
		return "", false, nil
	}
	m.data[key] = data
	if m.lost > 0 {
		m.lost--
		return "", false, nil
	}
	return m.tag(data), true, nil
}

func request(key, body string) idempotency.Request {
	return idempotency.Request{Caller: "c", Key: key, Fingerprint: sha256.Sum256([]byte(body)), Until: time.Now().Add(25 * time.Second)}
}

// begin returns the entry, or the code of the problem.
func begin(t *testing.T, l *idempotency.Ledger, r idempotency.Request) (*idempotency.Entry, *problem.Error) {
	t.Helper()
	e, err := l.Begin(t.Context(), r)
	if err == nil {
		return e, nil
	}
	p, ok := errors.AsType[*problem.Error](err)
	if !ok {
		t.Fatalf("no problem: %v", err)
	}
	return e, p
}

func wantCode(t *testing.T, p *problem.Error, code problem.Code) {
	t.Helper()
	if p == nil || p.Code != code {
		t.Fatalf("got %v, want %s", p, code)
	}
}

func TestSubmittedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &idempotency.Ledger{Store: &memory{}}
		first, p := begin(t, l, request("k", "body"))
		if p != nil || first.Known() || first.Task != "" {
			t.Fatalf("%v %+v", p, first)
		}
		_, p = begin(t, l, request("k", "body"))
		wantCode(t, p, problem.RequestInProgress)
		if p.RetryAfter <= 20*time.Second || p.RetryAfter > 30*time.Second {
			t.Errorf("come again after %v", p.RetryAfter)
		}
		_, p = begin(t, l, request("k", "another"))
		wantCode(t, p, problem.IdempotencyKeyReused)
		if err := first.Submitted(t.Context(), "task-1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(idempotency.Life - time.Second)
		again, p := begin(t, l, request("k", "body"))
		if p != nil || !again.Known() || again.Task != "task-1" {
			t.Fatalf("%v %+v", p, again)
		}
		_, p = begin(t, l, request("k", "another"))
		wantCode(t, p, problem.IdempotencyKeyReused)
		// Prefer: resubmit is for what is not known, and pays for nothing else again.
		r := request("k", "body")
		r.Resubmit = true
		if again, p = begin(t, l, r); p != nil || !again.Known() {
			t.Fatalf("%v %+v", p, again)
		}
		// Another caller's key is another key.
		r = request("k", "another")
		r.Caller = "d"
		if e, p := begin(t, l, r); p != nil || e.Known() {
			t.Fatalf("%v %+v", p, e)
		}
		// A day later the key is free.
		time.Sleep(2 * time.Second)
		if e, p := begin(t, l, request("k", "another")); p != nil || e.Known() || e.Task != "" {
			t.Fatalf("%v %+v", p, e)
		}
	})
}

// A process that dies leaves an intent: nobody knows whether it was sent.
func TestBrokenOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &idempotency.Ledger{Store: &memory{}}
		if _, p := begin(t, l, request("k", "body")); p != nil {
			t.Fatal(p)
		}
		time.Sleep(30 * time.Second)
		_, p := begin(t, l, request("k", "body"))
		wantCode(t, p, problem.SubmissionUnknown)
		r := request("k", "body")
		r.Resubmit = true
		again, p := begin(t, l, r)
		if p != nil || again.Known() || !again.Resubmitted {
			t.Fatalf("%v %+v", p, again)
		}
		// Two who are ready to pay again pay once.
		_, p = begin(t, l, r)
		wantCode(t, p, problem.RequestInProgress)
		if err := again.Submitted(t.Context(), "task-2"); err != nil {
			t.Fatal(err)
		}
		if e, p := begin(t, l, request("k", "body")); p != nil || e.Task != "task-2" {
			t.Fatalf("%v %+v", p, e)
		}
	})
}

func TestWhatBecameOfIt(t *testing.T) {
	for name, tt := range map[string]struct {
		settle func(*idempotency.Entry) error
		code   problem.Code // of the next with the key; empty if it may submit
		task   string
	}{
		"not submitted": {func(e *idempotency.Entry) error { return e.NotSubmitted(t.Context()) }, "", ""},
		"unknown":       {func(e *idempotency.Entry) error { return e.Unknown(t.Context()) }, problem.SubmissionUnknown, ""},
		"in part": {func(e *idempotency.Entry) error {
			return errors.Join(e.Submitting(t.Context(), func() string { return "1~part" }), e.Unknown(t.Context()))
		}, problem.SubmissionUnknown, "1~part"},
		"in part, and not the rest": {func(e *idempotency.Entry) error {
			return errors.Join(e.Submitting(t.Context(), func() string { return "1~part" }), e.NotSubmitted(t.Context()))
		}, problem.SubmissionUnknown, "1~part"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &idempotency.Ledger{Store: &memory{}}
				first, p := begin(t, l, request("k", "body"))
				if p != nil {
					t.Fatal(p)
				}
				if err := tt.settle(first); err != nil {
					t.Fatal(err)
				}
				next, p := begin(t, l, request("k", "body"))
				if tt.code == "" {
					if p != nil || next.Known() {
						t.Fatalf("%v %+v", p, next)
					}
					return
				}
				wantCode(t, p, tt.code)
				if p.Task != tt.task {
					t.Errorf("known to be submitted: %q, want %q", p.Task, tt.task)
				}
				r := request("k", "body")
				r.Resubmit = true
				if next, p = begin(t, l, r); p != nil || next.Known() || !next.Resubmitted || next.Task != tt.task {
					t.Fatalf("%v %+v", p, next)
				}
				// The part that is known stays so, whatever breaks then.
				time.Sleep(time.Minute)
				_, p = begin(t, l, request("k", "body"))
				if wantCode(t, p, problem.SubmissionUnknown); p.Task != tt.task {
					t.Errorf("known to be submitted: %q, want %q", p.Task, tt.task)
				}
			})
		})
	}
}

// The SDK repeats a write whose answer was lost, and is told that it comes too late:
// by itself.
func TestAnswersThatAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{lost: 1}
		l := &idempotency.Ledger{Store: store}
		first, p := begin(t, l, request("k", "body"))
		if p != nil || first.Known() {
			t.Fatalf("%v %+v", p, first)
		}
		store.lost = 1
		if err := first.Submitting(t.Context(), func() string { return "1~part" }); err != nil {
			t.Fatal(err)
		}
		store.lost = 1
		if err := first.Submitted(t.Context(), "1~whole"); err != nil {
			t.Fatal(err)
		}
		if e, p := begin(t, l, request("k", "body")); p != nil || e.Task != "1~whole" {
			t.Fatalf("%v %+v", p, e)
		}
	})
}

// Of many that come at once, one submits.
func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &idempotency.Ledger{Store: &memory{}}
		var won, busy int
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				_, err := l.Begin(t.Context(), request("k", "body"))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if problem.From(err).Code == problem.RequestInProgress {
					busy++
				}
			})
		}
		all.Wait()
		if won != 1 || busy != 63 {
			t.Errorf("%d may submit, %d are told to wait", won, busy)
		}
	})
}

// Parts that come to be known while others are being stored go together.
func TestPartsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		l := &idempotency.Ledger{Store: store}
		e, p := begin(t, l, request("k", "body"))
		if p != nil {
			t.Fatal(p)
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if err := e.Submitting(t.Context(), func() string { return "1~all-of-them" }); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if store.writes != 2 {
			t.Errorf("%d writes, want the intent and one more", store.writes)
		}
	})
}

// Without a store nothing is submitted.
func TestNoStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outage := &problem.Error{Code: problem.BucketUnavailable}
		l := &idempotency.Ledger{Store: &memory{fail: outage}}
		_, p := begin(t, l, request("k", "body"))
		wantCode(t, p, problem.BucketUnavailable)
	})
}

// What cannot be read stands for something that must not be paid for twice.
func TestUnreadableRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, text := range []string{"", "x", "{}", `{"version":2,"state":"released"}`, "null"} {
			store := &memory{}
			l := &idempotency.Ledger{Store: store}
			if _, p := begin(t, l, request("k", "body")); p != nil {
				t.Fatal(p)
			}
			for key := range store.data {
				store.data[key] = []byte(text)
			}
			r := request("k", "body")
			r.Resubmit = true
			time.Sleep(time.Hour)
			// It is not known to be of another request: that would be a reason to take
			// another key, and to pay again.
			_, p := begin(t, l, r)
			wantCode(t, p, problem.BucketUnavailable)
			if p.RetryAfter <= 0 || store.writes != 2 {
				t.Errorf("%q: %+v, %d writes", text, p, store.writes)
			}
		}
	})
}

// A record holds digests, ids and times: neither the key, nor who sent it, nor what.
func TestNothingOfTheRequestIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		l := &idempotency.Ledger{Store: store}
		if _, p := begin(t, l, request("class 7b, Anna", "the body")); p != nil {
			t.Fatal(p)
		}
		for key, text := range store.data {
			var members map[string]any
			if err := json.Unmarshal(text, &members); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"Anna", "7b", "body"} {
				if strings.Contains(key+string(text), name) {
					t.Errorf("%s: %s holds %s", key, text, name)
				}
			}
			if strings.Trim(key, "0123456789abcdef/") != "" {
				t.Errorf("the key %q has more than digits", key)
			}
		}
	})
}
