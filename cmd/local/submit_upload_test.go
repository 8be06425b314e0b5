package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/recognition"
	"omr-relay/internal/sandbox"
)

// An upload is submitted once, whatever becomes of the answer, and asked for by the
// same key.
func TestUploadIsPaidForOnce(t *testing.T) {
	type hook = func(n int, r *http.Request, serve func() (*http.Response, error)) (*http.Response, error)
	// first answers the first call of POST /recognize.
	first := func(do hook) hook {
		return func(n int, r *http.Request, serve func() (*http.Response, error)) (*http.Response, error) {
			if r.URL.Path != "/recognize" || n > 1 {
				return serve()
			}
			return do(n, r, serve)
		}
	}
	drop := func(serve func() (*http.Response, error)) {
		if resp, err := serve(); err == nil {
			resp.Body.Close()
		}
	}
	// after loses the first answer, and then answers for a while by itself.
	after := func(calls, status int, body string) hook {
		return func(n int, r *http.Request, serve func() (*http.Response, error)) (*http.Response, error) {
			switch {
			case r.URL.Path != "/recognize" || n > calls+1:
				return serve()
			case n == 1:
				drop(serve)
				return nil, io.EOF
			}
			return says(r, status, body)
		}
	}
	const unclear = "it was sent, and may have been received and paid for; --resubmit sends it again: "
	for name, c := range map[string]struct {
		relay   hook
		upload  int // how many
		calls   int // of POST /recognize, all with one key
		paid    int
		reason  string
		waited  string
		aspose  func(w http.ResponseWriter, r *http.Request) bool
		atLeast time.Duration
	}{
		"all is well":                 {upload: 1, calls: 1, paid: 1},
		"its answer is lost":          {relay: after(0, 0, ""), upload: 1, calls: 2, paid: 1},
		"and then it is throttled":    {relay: after(3, 429, `{"message":"Too Many Requests"}`), upload: 1, calls: 5, paid: 1},
		"and then the bucket fails":   {relay: after(1, 503, `{"code":"bucket_unavailable"}`), upload: 1, calls: 3, paid: 1},
		"and then the key is refused": {relay: after(99, 403, `{"message":"Forbidden"}`), upload: 1, paid: 1, reason: unclear + "no answer came, nor did asking again bring one"},
		"and it is not known": {
			relay: after(99, 409, `{"code":"submission_unknown","detail":"Use Prefer: resubmit."}`), upload: 1, calls: 2, paid: 1,
			reason: unclear + "the relay broke off while it submitted the scan",
		},
		"the gateway's own 504": {
			relay: first(func(_ int, r *http.Request, serve func() (*http.Response, error)) (*http.Response, error) {
				drop(serve)
				return says(r, 504, `{"type":"urn:omr-relay:problem:gateway","code":"INTEGRATION_TIMEOUT"}`)
			}), upload: 1, calls: 2, paid: 1,
		},
		"no token": {
			relay: first(func(_ int, r *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
				return says(r, 503, `{"code":"token_unavailable","detail":"no token"}`, "Retry-After", "7")
			}), upload: 1, calls: 2, paid: 1, waited: "7s: the relay gets no token: no token",
		},
		"Aspose breaks off": {
			aspose: func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPost {
					panic(http.ErrAbortHandler)
				}
				return false
			}, upload: 1, calls: 1, paid: 1, reason: unclear,
		},
		"nobody answers": {
			relay: func(_ int, r *http.Request, serve func() (*http.Response, error)) (*http.Response, error) {
				if r.URL.Path != "/recognize" {
					return serve()
				}
				return nil, io.EOF
			}, upload: 1, reason: unclear + "no answer came, nor did asking again bring one", atLeast: 50 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newUploadRig(t)
				r.relay = c.relay
				if c.aspose != nil {
					r.Aspose.Respond(func(w http.ResponseWriter, req *http.Request) bool { r.count(w, req); return c.aspose(w, req) })
				}
				began := time.Now()
				got, err := r.recognize(t.Context(), t, someScan())
				if err != nil || !strings.HasPrefix(got.Reason(), c.reason) || got.Answered != (c.reason == "") || c.waited != "" && !r.waited(c.waited) {
					t.Errorf("%+v %v: %q, waited %q", got, err, got.Reason(), r.told)
				}
				if took := time.Since(began); took < c.atLeast || took > settling+5*time.Second {
					t.Errorf("after %v", took)
				}
				uploads, calls := r.seen["/"+sandbox.DefaultBucket], r.seen["/recognize"]
				if _, most := r.payments(); most != c.paid || uploads != c.upload || c.calls > 0 && calls != c.calls {
					t.Errorf("%d uploads, %d calls, paid %d times", uploads, calls, most)
				}
				for _, key := range r.keys {
					if key != r.keys[0] {
						t.Errorf("keys %q", r.keys)
					}
				}
				// Another run asks for no more than it must.
				if got.Answered {
					return
				}
				r.relay = nil
				if again, err := r.recognize(t.Context(), t, someScan()); err != nil || again.Status != recognition.SubmissionUnknown {
					t.Errorf("again: %+v %v", again, err)
				}
				if _, most := r.payments(); most != c.paid {
					t.Errorf("paid %d times", most)
				}
			})
		})
	}
}

// The connection is lost while the relay still submits: asked again, it says so.
func TestUploadThatIsBeingSubmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newUploadRig(t)
		r.Aspose.Respond(func(w http.ResponseWriter, req *http.Request) bool {
			if req.Method == http.MethodPost {
				<-time.After(10 * time.Second) // which is virtual
			}
			return r.count(w, req)
		})
		var inTheBack sync.WaitGroup
		defer inTheBack.Wait()
		inProgress := 0
		r.relay = func(n int, req *http.Request, serve func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Path == "/recognize" && n == 1 {
				inTheBack.Go(func() {
					if resp, err := serve(); err == nil {
						resp.Body.Close()
					}
				})
				return nil, io.EOF
			}
			resp, err := serve()
			if err == nil && resp.StatusCode == http.StatusConflict {
				inProgress++
			}
			return resp, err
		}
		got, err := r.recognize(t.Context(), t, someScan())
		if _, most := r.payments(); err != nil || !got.Answered || most != 1 || inProgress == 0 {
			t.Errorf("%+v %v, paid %d times, in progress %d times", got, err, most, inProgress)
		}
	})
}

// Interrupted, or killed, during an upload: nothing was sent, nothing is unclear, and
// the next run begins afresh.
func TestUploadInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newUploadRig(t)
		ctx, interrupt := context.WithCancel(t.Context())
		r.storage = func(_ int, req *http.Request, _ func() (*http.Response, error)) (*http.Response, error) {
			_, _ = io.CopyN(io.Discard, req.Body, 50_000)
			interrupt()
			<-req.Context().Done()
			return nil, req.Context().Err()
		}
		began := time.Now()
		got, err := r.recognize(ctx, t, someScan())
		if !errors.Is(err, recognition.ErrInterrupted) || got.Status != "" || time.Since(began) > 0 {
			t.Errorf("%+v %v after %v", got, err, time.Since(began))
		}
		if text := readFile(t, r.journal); strings.Contains(text, "scan") {
			t.Errorf("the journal has %q", text)
		}
		r.storage = nil
		if got, err = r.recognize(t.Context(), t, someScan()); err != nil || !got.Answered {
			t.Errorf("again: %+v %v", got, err)
		}
		if _, most := r.payments(); most != 1 {
			t.Errorf("paid %d times", most)
		}
	})
}
