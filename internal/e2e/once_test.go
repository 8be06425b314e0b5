package e2e

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"omr-relay/internal/sandbox"
)

// killing is a step during which the process dies.
type killing struct {
	name string
	// at is the request that it has made: of those that match, number, from 1.
	at     func(*arrival) bool
	number int
	// served says that what it asked for is done, and only the answer is lost.
	served bool
	// prepare, if there is one, comes before the request; env is the process's.
	prepare func(s *shared)
	env     []string
	upload  bool
	// paid is how many tasks the upstream has by then; then what the next process
	// makes of the same request.
	paid int
	then verdict
}

type verdict string

const (
	submits verdict = "submits it" // which is certainly not paid for
	knows   verdict = "knows the task"
	cannot  verdict = "cannot know" // until the caller says what to do
)

func killings() []killing {
	record := func(a *arrival) bool {
		return a.hop == bucketHop && a.Method == http.MethodPut
	}
	upstream := func(method, path string) func(a *arrival) bool {
		return func(a *arrival) bool {
			return a.hop == upstreamHop && a.Method == method && strings.HasPrefix(a.URL.Path, path)
		}
	}
	post, token := upstream(http.MethodPost, submission), upstream(http.MethodPost, sandbox.TokenPath)
	poll := upstream(http.MethodGet, "/v5.0/omr/RecognizeTemplate/GetRecognizeTemplate")
	return []killing{
		{name: "the intent is on its way", at: record, number: 1, then: submits},
		{name: "the intent is stored", at: record, number: 1, served: true, then: cannot},
		{
			name: "the secret is asked for", at: func(a *arrival) bool { return a.hop == secretHop }, number: 1, then: cannot,
			env:     []string{"OMR_SECRET_ID=later"}, // it starts without a token
			prepare: func(s *shared) { s.box.Secrets.Put("later", secretOfTheSandbox) },
		},
		{
			name: "another token is asked for", at: token, number: 1, then: cannot,
			prepare: func(s *shared) { s.box.Token.RevokeAll() },
		},
		{name: "half of the submission has arrived", at: half, number: 1, then: cannot, upload: true},
		{name: "the submission is on its way", at: post, number: 1, then: cannot},
		{name: "the submission is taken", at: post, number: 1, served: true, paid: 1, then: cannot},
		{name: "the task is on its way to the record", at: record, number: 2, paid: 1, then: cannot},
		{name: "the task is stored", at: record, number: 2, served: true, paid: 1, then: knows},
		{name: "the result is asked for", at: poll, number: 1, paid: 1, then: knows},
	}
}

const secretOfTheSandbox = `{"client_id":"` + sandbox.DefaultClientID + `","client_secret":"` + sandbox.DefaultClientSecret + `"}`

// half has S3 fall silent in the middle of an upload, so that what is made of it cannot
// arrive as a whole, and matches once a part has arrived.
func half(a *arrival) bool {
	switch {
	case a.hop == bucketHop && a.Method == http.MethodGet && strings.Contains(a.URL.Path, "/uploads/") && a.Header.Get("Range") == "":
		whole := a.serve()
		object := whole.Body
		maps.Copy(a.w.Header(), whole.Header())
		a.w.Header().Set("Content-Length", strconv.Itoa(object.Len()))
		_, _ = a.w.Write(object.Next(object.Len() / 2))
		_ = http.NewResponseController(a.w).Flush()
		<-a.Context().Done()
		panic(http.ErrAbortHandler)
	case a.hop == upstreamHop && a.URL.Path == submission:
		part := make([]byte, 64<<10)
		n, err := io.ReadFull(a.Body, part)
		a.Body = io.NopCloser(io.MultiReader(bytes.NewReader(part[:n]), a.Body))
		return err == nil
	default:
		return false
	}
}

// TestKilled kills the process at each step of a request, and sends the request to
// another one. Whatever the step, the upstream is not paid twice unless the caller
// asks for it, and then once more.
func TestKilled(t *testing.T) {
	for _, k := range killings() {
		t.Run(k.name, func(t *testing.T) {
			s := newShared(t)
			f := s.start(k.env...)
			body := task(t, sandbox.SampleFilledForm())
			if k.upload {
				body = task(t, byID(f.upload(noise(2<<20))))
			}
			late := s.killed(f, k, "", body)
			if n := len(s.paid()); n != k.paid {
				t.Fatalf("the upstream has %d tasks when the process is dead, want %d", n, k.paid)
			}
			s.goesOn(s.start(k.env...), body, k)
			paid := s.paid()

			// A write of the dead process's that S3 gets to see this late changes nothing.
			if late != nil && late().Code != http.StatusPreconditionFailed {
				t.Errorf("S3 answered %d to a write of the dead process's", late().Code)
			}
			s.hasResult(s.start(k.env...), body, paid)
		})
	}
}

// TestKilledAgain kills the process that submits again, too: each resubmit is one
// task, and after the next death it is again for the caller to decide.
func TestKilledAgain(t *testing.T) {
	s := newShared(t)
	body := task(t, sandbox.SampleFilledForm())
	taken := killings()[slices.IndexFunc(killings(), func(k killing) bool { return k.name == "the submission is taken" })]
	s.killed(s.start(), taken, "", body)
	s.age()
	s.killed(s.start(), taken, "resubmit", body)
	taken.paid = 2
	f := s.start()
	s.goesOn(f, body, taken)
	if n := len(s.paid()); n != 3 {
		t.Errorf("the upstream has %d tasks of a request and two resubmits", n)
	}
	s.hasResult(f, body, s.paid())
}

// killed makes a request and kills the process at the step. It returns what has S3
// see a write that it has not seen.
func (s *shared) killed(f *function, k killing, prefer string, body []byte) (late func() *httptest.ResponseRecorder) {
	s.t.Helper()
	<-f.api.Polled()
	if k.prepare != nil {
		k.prepare(s)
	}
	reached, dead, gone := make(chan *arrival), make(chan struct{}), make(chan struct{})
	var count atomic.Int32
	s.intercept(func(a *arrival) {
		if !k.at(a) || int(count.Add(1)) != k.number {
			return
		}
		if k.served {
			a.serve()
		} else if a.hop == bucketHop { // before the connection breaks
			whole, _ := io.ReadAll(a.Body)
			a.Body = io.NopCloser(bytes.NewReader(whole))
		}
		select {
		case reached <- a:
			<-dead
		case <-s.t.Context().Done():
		}
		if k.upload {
			a.serve() // it is for the stand-in to tell that this is half a request
		}
		close(gone)
		panic(http.ErrAbortHandler)
	})
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.call(ctx, "/recognize", once(prefer), body)
	}()
	select {
	case a := <-reached:
		if !k.served && a.hop == bucketHop {
			late = a.serve
		}
	case <-ended:
		s.t.Fatal("the request was answered before it came to the step")
	}
	f.kill()
	close(dead)
	cancel()
	<-ended
	<-gone
	s.intercept(nil)
	return late
}

// goesOn sends the request of a dead process to another one.
func (s *shared) goesOn(f *function, body []byte, k killing) {
	s.t.Helper()
	a := s.recognize(f, "wait=0", body)
	switch k.then {
	case submits:
		if a.status != http.StatusAccepted || len(s.paid()) != k.paid+1 {
			s.t.Errorf("answered %+v with %d tasks, want it submitted once", a, len(s.paid()))
		}
		return
	case knows:
		if a.status != http.StatusOK || len(s.paid()) != k.paid || !strings.HasSuffix(a.header.Get("Content-Location"), s.paid()[0].id) {
			s.t.Errorf("answered %+v with %d tasks, want the result of the one", a, len(s.paid()))
		}
		return
	}
	// As long as the dead process might be alive, not even resubmit is heeded.
	for _, prefer := range []string{"wait=0", "wait=0, resubmit"} {
		if a := s.recognize(f, prefer, body); a.status != http.StatusConflict || a.code != "request_in_progress" || a.header.Get("Retry-After") == "" {
			s.t.Errorf("Prefer: %s: answered %+v, want request_in_progress", prefer, a)
		}
	}
	s.age()
	for range 2 {
		if a := s.recognize(f, "wait=0", body); a.status != http.StatusConflict || a.code != "submission_unknown" {
			s.t.Errorf("later answered %+v, want submission_unknown", a)
		}
	}
	if n := len(s.paid()); n != k.paid {
		s.t.Errorf("the upstream has %d tasks although nobody said resubmit, want %d", n, k.paid)
	}
	a = s.recognize(f, "wait=0, resubmit", body)
	if a.status != http.StatusAccepted || len(s.paid()) != k.paid+1 || !strings.Contains(a.header.Get("Preference-Applied"), "resubmit") {
		s.t.Errorf("with resubmit answered %+v with %d tasks, want one more", a, len(s.paid()))
	}
}

// hasResult sends a request that was submitted. However often that is, and whatever is
// preferred, the answer is the last task's result.
func (s *shared) hasResult(f *function, body []byte, paid []submitted) {
	s.t.Helper()
	for _, prefer := range []string{"wait=0", "wait=0, resubmit"} {
		a := s.recognize(f, prefer, body)
		if a.status != http.StatusOK || !strings.HasSuffix(a.header.Get("Content-Location"), paid[len(paid)-1].id) {
			s.t.Errorf("Prefer: %s: in the end %+v, want the task's result", prefer, a)
		}
	}
	if n := len(s.paid()); n != len(paid) {
		s.t.Errorf("in the end the upstream has %d tasks, want %d", n, len(paid))
	}
}
