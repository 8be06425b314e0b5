package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"omr-relay/internal/sandbox"
)

// TestKilledAmongSeveral kills the process when three of six images are on record and
// the upstream has taken the other three without anybody knowing. resubmit sends
// those three again, and no other.
func TestKilledAmongSeveral(t *testing.T) {
	const images, recorded = 6, 3
	s := newShared(t)
	all := make([]any, images)
	for i := range all {
		all[i] = fmt.Appendf(sandbox.SampleFilledForm(), "sheet %d", i)
	}
	body := task(t, all...)
	f := s.start()
	<-f.api.Polled()

	var mu sync.Mutex // guards what follows
	var known []string
	posts, held := 0, 0
	reached := make(chan struct{})
	s.intercept(func(a *arrival) {
		stored := a.hop == bucketHop && a.Method == http.MethodPut
		posted := a.hop == upstreamHop && a.URL.Path == submission
		if !stored && !posted {
			return
		}
		id := a.serve().Body.String()
		mu.Lock()
		hold := false
		if posted {
			posts++
			if hold = posts > recorded; hold {
				held++
			} else {
				known = append(known, id)
			}
		}
		if held == images-recorded && s.onRecord() == recorded && reached != nil {
			close(reached)
			reached = nil
		}
		mu.Unlock()
		if hold {
			<-a.Context().Done() // the process is dead
			panic(http.ErrAbortHandler)
		}
	})
	arrived := reached
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.call(ctx, "/recognize", once(""), body)
	}()
	select {
	case <-arrived:
	case <-ended:
		t.Fatal("the request was answered")
	}
	f.kill()
	cancel()
	<-ended
	s.intercept(nil)

	f = s.start()
	if a := s.recognize(f, "wait=0, resubmit", body); a.code != "request_in_progress" {
		t.Errorf("at once answered %+v", a)
	}
	s.age()
	a := s.recognize(f, "wait=0", body)
	if a.status != http.StatusConflict || a.code != "submission_unknown" || !strings.HasPrefix(a.header.Get("Content-Location"), "recognize/1~") {
		t.Errorf("later answered %+v", a)
	}
	if n := len(s.paid()); n != images {
		t.Fatalf("%d tasks although nobody said resubmit, want %d", n, images)
	}
	if a = s.recognize(f, "wait=0, resubmit", body); a.status != http.StatusAccepted {
		t.Errorf("with resubmit answered %+v", a)
	}
	again := s.paid()[images:]
	if len(again) != images-recorded {
		t.Errorf("%d images were submitted again, want %d", len(again), images-recorded)
	}
	for _, before := range s.paid()[:images] {
		sent := slices.ContainsFunc(again, func(one submitted) bool { return one.image == before.image })
		if sent == slices.Contains(known, before.id) {
			t.Errorf("an image that is on record was submitted again, or one that is not was left out: %t", sent)
		}
	}
	a = s.recognize(f, "", body)
	if rows := strings.Count(a.body, ",Ok,"); a.status != http.StatusOK || rows != images || len(s.paid()) != 2*images-recorded {
		t.Errorf("in the end %+v with %d tasks", a, len(s.paid()))
	}
}

// onRecord is how many tasks there are in the record of a request with several
// images: one that is known takes 17 bytes there, and one that is not takes one.
func (s *shared) onRecord() int {
	_, fields := s.record()
	id, _ := fields["task"].(string) // there is none before the first
	raw, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(id, "1~"))
	return max(len(raw)-2-6, 0) / 16
}

// TestAtOnce has two processes take the same request in the same moment. One submits
// it; the other says that it is being submitted.
func TestAtOnce(t *testing.T) {
	s := newShared(t)
	body := task(t, sandbox.SampleFilledForm())
	var intents atomic.Int32
	both, refused := make(chan struct{}), make(chan struct{})
	s.intercept(func(a *arrival) {
		switch {
		case a.hop == bucketHop && a.Method == http.MethodPut && a.Header.Get("If-None-Match") != "":
			if intents.Add(1) == 2 {
				close(both)
			}
			a.waits(both)
		case a.hop == upstreamHop && a.URL.Path == submission:
			a.waits(refused)
		}
	})
	answers := make(chan answered, 2)
	for range 2 {
		f := s.start()
		<-f.api.Polled()
		go func() { answers <- s.recognize(f, "wait=0", body) }()
	}
	if a := <-answers; a.status != http.StatusConflict || a.code != "request_in_progress" {
		t.Errorf("one is answered %+v", a)
	}
	close(refused)
	if a := <-answers; a.status != http.StatusAccepted {
		t.Errorf("the other is answered %+v", a)
	}
	if n := len(s.paid()); n != 1 {
		t.Errorf("the upstream has %d tasks", n)
	}
}

// waits returns when it is time, or whoever made the request has gone.
func (a *arrival) waits(until <-chan struct{}) {
	select {
	case <-until:
	case <-a.Context().Done():
	}
}
