package recognize_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"omr-relay/internal/problem"
)

// Without a bucket the header is passed over, whatever it says.
func TestKeysWithoutALedger(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for _, key := range []string{"", strings.Repeat("a", 300), `"a`} {
			if got := invoke(t, invocation, r.bare.Post, form(scansForm(1), idempotencyKey, key, idempotencyKey, "b")); got.status != http.StatusOK {
				t.Errorf("%q: %v", key, got)
			}
		}
	})
}

// One consent to pay again is for one submission: where it came to nothing, what may
// have been paid for before is as unknown as it was.
func TestConsentIsForOnce(t *testing.T) {
	for name, second := range map[string]func() (*http.Response, error){
		"throttled":     func() (*http.Response, error) { return respond(http.StatusTooManyRequests, "", "Retry-After", "1") },
		"refused":       func() (*http.Response, error) { return respond(http.StatusBadRequest, "no form") },
		"no connection": func() (*http.Response, error) { return nil, errNotTaken },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.on(func(call, n int, _ *http.Request) (*http.Response, error) {
					switch {
					case call == submission && n == 1:
						return nil, io.ErrUnexpectedEOF
					case call == submission && n == 2:
						return second()
					}
					return nil, nil //nolint:nilnil // the stand-in answers
				})
				r.post(t, form(scansForm(1), idempotencyKey, "k"))
				r.post(t, form(scansForm(1), idempotencyKey, "k", "Prefer", "resubmit"))
				wantProblem(t, r.post(t, form(scansForm(1), idempotencyKey, "k")), problem.SubmissionUnknown, "")
				if n := r.submissions.Load(); n != 2 {
					t.Errorf("%d submissions", n)
				}
			})
		})
	}
}

// What was not submitted of several is, when the request comes again; what may have been
// is, where the caller prefers to pay again; and what was never.
func TestOnceGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		const count = 12
		var calls atomic.Int64
		r.on(func(call, _ int, _ *http.Request) (*http.Response, error) {
			if call != submission {
				return nil, nil //nolint:nilnil // the stand-in answers
			}
			switch calls.Add(1) {
			case 3:
				return respond(http.StatusTooManyRequests, "", "Retry-After", "1")
			case 14:
				return nil, io.ErrUnexpectedEOF
			}
			return nil, nil //nolint:nilnil // the stand-in answers
		})
		words := func(r reply) (ok, not, unknown int) {
			return strings.Count(r.body, ",Ok,"), strings.Count(r.body, "not_submitted"), strings.Count(r.body, "submission_unknown")
		}
		first := r.post(t, form(scansForm(count), idempotencyKey, "k"))
		ok, not, unknown := words(first)
		if ok+not != count || not == 0 || unknown != 0 {
			t.Fatalf("%v", first)
		}
		calls.Store(int64(14 - not)) // so that the last of them breaks off
		second := r.post(t, form(scansForm(count), idempotencyKey, "k"))
		if ok, not, unknown = words(second); ok+unknown+not != count || unknown != 1 {
			t.Fatalf("%v", second)
		}
		r.on(nil)
		before := r.submissions.Load()
		third := r.post(t, form(scansForm(count), idempotencyKey, "k"))
		if ok, not, unknown = words(third); ok != count-1 || not != 0 || unknown != 1 || third.header.Get("Preference-Applied") != "" {
			t.Errorf("%v", third)
		}
		fourth := r.post(t, form(scansForm(count), idempotencyKey, "k", "Prefer", "resubmit"))
		if ok, _, _ = words(fourth); ok != count || fourth.header.Get("Preference-Applied") != "resubmit" {
			t.Errorf("%v", fourth)
		}
		if n := r.submissions.Load(); n-before < 1 || n > count+2+1 {
			t.Errorf("%d submissions in all", n)
		}
		paid := r.submissions.Load()
		fifth := r.post(t, form(scansForm(count), idempotencyKey, "k", "Prefer", "resubmit"))
		if r.submissions.Load() != paid || fifth.body != fourth.body {
			t.Errorf("%v", fifth)
		}
	})
}

// A resubmission that does not come about leaves the row as unknown as it was.
func TestUnknownStaysUnknown(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		refuse := false
		r.on(func(call, n int, _ *http.Request) (*http.Response, error) {
			switch {
			case call == submission && n == 2:
				return nil, io.ErrUnexpectedEOF
			case call == submission && refuse:
				return respond(http.StatusTooManyRequests, "", "Retry-After", "1")
			}
			return nil, nil //nolint:nilnil // the stand-in answers
		})
		first := r.post(t, form(scansForm(2), idempotencyKey, "k"))
		refuse = true
		second := r.post(t, form(scansForm(2), idempotencyKey, "k", "Prefer", "resubmit"))
		for _, got := range []reply{first, second} {
			if strings.Count(got.body, ",Ok,") != 1 || strings.Count(got.body, "submission_unknown") != 1 {
				t.Errorf("%v", got)
			}
		}
	})
}

// Uploads that S3 takes too long to give are given up while there is time to say so, and
// to record that nothing was submitted.
func TestSlowUploads(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var ids []string
		for i := range 40 {
			ids = append(ids, r.put(nobody, i, scan(i)))
		}
		r.s3.Respond(func(_ http.ResponseWriter, req *http.Request) bool {
			if req.Method == http.MethodGet && req.Header.Get("Range") != "" {
				time.Sleep(2500 * time.Millisecond)
			}
			return false
		})
		got := r.post(t, form(uploadForm(ids...), idempotencyKey, "k"))
		if wantProblem(t, got, problem.BucketUnavailable, "Nothing was submitted"); got.took > invocation {
			t.Errorf("after %v", got.took)
		}
		r.s3.Respond(nil)
		if got = r.post(t, form(uploadForm(ids...), idempotencyKey, "k")); got.status != http.StatusOK {
			t.Errorf("%v", got)
		}
	})
}

// Records that S3 is slow to write do not hold up what is submitted.
func TestSlowRecords(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		writes := 0
		r.s3.Respond(func(_ http.ResponseWriter, req *http.Request) bool {
			if req.Method == http.MethodPut {
				if writes++; writes > 1 {
					time.Sleep(2 * time.Second)
				}
			}
			return false
		})
		got := r.post(t, form(scansForm(40), idempotencyKey, "k"))
		if got.record.Billable != 40 || got.record.LedgerErr != nil {
			t.Errorf("%v", got)
		}
	})
}
