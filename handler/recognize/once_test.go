package recognize_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"omr-relay/handler/gateway"
	"omr-relay/internal/problem"
	"omr-relay/internal/sandbox"
)

const idempotencyKey = "Idempotency-Key"

// TestOnce: the same request with the same key is submitted once, however it is sent.
func TestOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		first := r.post(t, form(scansForm(1), idempotencyKey, "k"))
		if first.status != http.StatusOK {
			t.Fatalf("%v", first)
		}
		// encodeForm draws another boundary each time, as curl does.
		for name, key := range map[string]string{"as it was": "k", "as a structured field": `"k"`, "with spaces around": " k "} {
			again := r.post(t, form(scansForm(1), idempotencyKey, key))
			if again.status != http.StatusOK || again.body != first.body || again.header.Get("Content-Location") != first.header.Get("Content-Location") {
				t.Errorf("%s: %v", name, again)
			}
		}
		if n := r.submissions.Load(); n != 1 {
			t.Errorf("%d submissions", n)
		}
		for name, req := range map[string]*gateway.Request{
			"another scan":      form(append([]field{{"image", "1.jpg", scan(7)}}, scansForm(0)...), idempotencyKey, "k"),
			"another name":      form(append([]field{{"image", "2.jpg", scan(0)}}, scansForm(0)...), idempotencyKey, "k"),
			"one scan more":     form(scansForm(2), idempotencyKey, "k"),
			"another format":    form(scansForm(1, field{name: "format", value: "JSON"}), idempotencyKey, "k"),
			"another threshold": form(scansForm(1, field{name: "recognitionThreshold", value: "0"}), idempotencyKey, "k"),
		} {
			got := r.post(t, req)
			if wantProblem(t, got, problem.IdempotencyKeyReused, "needs a key of its own"); got.record.UpstreamCalls != 0 {
				t.Errorf("%s: %v", name, got)
			}
		}
		// Another caller's key, and another key, are others.
		req := form(scansForm(1), idempotencyKey, "k")
		req.Caller = decodeCaller(t, "two")
		r.post(t, req)
		r.post(t, form(scansForm(1), idempotencyKey, "l"))
		if n := r.submissions.Load(); n != 3 {
			t.Errorf("%d submissions", n)
		}
	})
}

// Several scans have one record, and one table.
func TestOnceSeveral(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		first := r.post(t, form(scansForm(9), idempotencyKey, "k"))
		again := r.post(t, form(scansForm(9), idempotencyKey, "k"))
		if first.status != http.StatusOK || again.body != first.body || !strings.Contains(again.body, "9.jpg,Ok") ||
			again.header.Get("Content-Location") != first.header.Get("Content-Location") {
			t.Errorf("%v, %v", first, again)
		}
		if n := r.submissions.Load(); n != 9 {
			t.Errorf("%d submissions", n)
		}
	})
}

// Many at once, as after a timeout that a whole school met: one submits.
func TestOnceAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var mu sync.Mutex
		statuses := map[string]int{}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				got := r.post(t, form(scansForm(1), idempotencyKey, "k"))
				mu.Lock()
				defer mu.Unlock()
				if got.err != nil {
					statuses[string(got.err.Code)]++
				} else {
					statuses[strconv.Itoa(got.status)]++
				}
			})
		}
		all.Wait()
		if r.submissions.Load() != 1 || statuses["200"]+statuses[string(problem.RequestInProgress)] != 20 || statuses["200"] == 0 {
			t.Errorf("%d submissions, %v", r.submissions.Load(), statuses)
		}
	})
}

// What was not taken can be sent again with its key; what may have been taken cannot,
// but by who is ready to pay again.
func TestOnceAfterFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func() (*http.Response, error)
		again  problem.Code // empty: it is submitted
	}{
		"no connection": {func() (*http.Response, error) { return nil, errNotTaken }, ""},
		"refused":       {func() (*http.Response, error) { return respond(http.StatusPaymentRequired, "no credit") }, ""},
		"throttled":     {func() (*http.Response, error) { return respond(http.StatusTooManyRequests, "", "Retry-After", "1") }, ""},
		"broken off":    {func() (*http.Response, error) { return nil, io.ErrUnexpectedEOF }, problem.SubmissionUnknown},
		"500":           {func() (*http.Response, error) { return respond(http.StatusInternalServerError, "") }, problem.SubmissionUnknown},
		"no id":         {func() (*http.Response, error) { return respond(http.StatusOK, "<html>") }, problem.SubmissionUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				failing := true
				r.on(func(call, _ int, _ *http.Request) (*http.Response, error) {
					if call == submission && failing {
						return tt.answer()
					}
					return nil, nil //nolint:nilnil // the stand-in answers
				})
				r.post(t, form(scansForm(1), idempotencyKey, "k"))
				failing = false
				got := r.post(t, form(scansForm(1), idempotencyKey, "k"))
				if tt.again == "" {
					if got.status != http.StatusOK {
						t.Errorf("%v", got)
					}
					r.wantCalls(t, 2, 2)
					return
				}
				wantProblem(t, got, tt.again, "Prefer: resubmit may be paid for again")
				r.wantCalls(t, 1, 0)
				got = r.post(t, form(scansForm(1), idempotencyKey, "k", "Prefer", "resubmit, wait=20"))
				if got.status != http.StatusOK || got.header.Get("Preference-Applied") != "resubmit, wait=20" {
					t.Errorf("%v", got)
				}
				// It is known now: the preference has nothing left to do.
				got = r.post(t, form(scansForm(1), idempotencyKey, "k", "Prefer", "resubmit"))
				if got.status != http.StatusOK || got.header.Get("Preference-Applied") != "" {
					t.Errorf("%v", got)
				}
				if n := r.submissions.Load(); n != 2 {
					t.Errorf("%d submissions", n)
				}
			})
		})
	}
}

// An upload that is not there leaves the key free.
func TestOnceWithUploads(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		id := r.put(nobody, 1, scan(0))
		r.s3.RemoveObject("uploads/" + nobody.Digest() + "/" + id)
		wantProblem(t, r.post(t, form(uploadForm(id), idempotencyKey, "k")), problem.UploadNotFound, "Nothing was submitted")
		r.put(nobody, 1, scan(0))
		if got := r.post(t, form(uploadForm(id), idempotencyKey, "k")); got.status != http.StatusOK {
			t.Errorf("%v", got)
		}
		// The task outlives the upload.
		r.s3.RemoveObject("uploads/" + nobody.Digest() + "/" + id)
		if got := r.post(t, form(uploadForm(id), idempotencyKey, "k")); got.status != http.StatusOK {
			t.Errorf("%v", got)
		}
		if n := r.submissions.Load(); n != 1 {
			t.Errorf("%d submissions", n)
		}
	})
}

// Without S3 nothing is submitted that has a key; where S3 fails after the
// submission, the answer is there all the same, and what is not known is said later.
func TestOnceWithoutS3(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.s3.Respond(func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusForbidden)
			return true
		})
		wantProblem(t, r.post(t, form(scansForm(1), idempotencyKey, "k")), problem.BucketUnavailable, "Nothing was submitted")
		r.wantCalls(t, 0, 0)
		writes := 0
		r.s3.Respond(func(w http.ResponseWriter, req *http.Request) bool {
			if req.Method != http.MethodPut {
				return false
			}
			if writes++; writes == 1 {
				return false
			}
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		})
		got := r.post(t, form(scansForm(1), idempotencyKey, "k"))
		if got.status != http.StatusOK || got.record.LedgerErr == nil {
			t.Errorf("%v", got)
		}
		r.s3.Respond(nil)
		wantProblem(t, r.post(t, form(scansForm(1), idempotencyKey, "k")), problem.RequestInProgress, "")
		time.Sleep(30 * time.Second)
		wantProblem(t, r.post(t, form(scansForm(1), idempotencyKey, "k")), problem.SubmissionUnknown, "")
		r.wantCalls(t, 1, 2)
	})
}

// A request goes on, and S3 fails from the claim on: what is on record does not say of
// a scan that was sent that it was not.
func TestOnceGoesOnWithoutS3(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		const count, sent = 6, 3
		// The throttled one ends the request, and those under way beside it count.
		r.on(func(call, n int, _ *http.Request) (*http.Response, error) {
			if call == submission && n > sent {
				return respond(http.StatusTooManyRequests, "", "Retry-After", "1")
			}
			return nil, nil //nolint:nilnil // the stand-in answers
		})
		if got := r.post(t, form(scansForm(count), idempotencyKey, "k")); !strings.Contains(got.body, ",not_submitted") {
			t.Fatalf("%v", got)
		}
		r.on(nil)
		claims := 0
		r.s3.Respond(func(w http.ResponseWriter, req *http.Request) bool {
			// The first one meets the record, and the second is the claim.
			if req.Method != http.MethodPut {
				return false
			}
			if claims++; claims <= 2 {
				return false
			}
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		})
		if got := r.post(t, form(scansForm(count), idempotencyKey, "k")); got.record.Billable == 0 || got.record.LedgerErr == nil {
			t.Fatalf("%v: %d submissions, %v", got, got.record.Billable, got.record.LedgerErr)
		}
		r.s3.Respond(nil)
		time.Sleep(time.Minute)
		before := r.submissions.Load()
		got := r.post(t, form(scansForm(count), idempotencyKey, "k"))
		wantProblem(t, got, problem.SubmissionUnknown, "")
		table := r.get(t, strings.TrimPrefix(got.err.Header.Get("Content-Location"), "recognize/"))
		if strings.Contains(table.body, "not_submitted") || !strings.Contains(table.body, "submission_unknown") {
			t.Errorf("on record as not sent: %v", table)
		}
		if r.submissions.Load() != before {
			t.Error("submitted again")
		}
	})
}

// A process that dies among several submissions leaves on record those that it knew
// of: whoever pays again pays for the others alone.
func TestOnceInPart(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		const count, died = 12, 7
		gone, die := context.WithCancel(t.Context())
		// The upstream takes what comes after the death as well: nobody hears of it.
		r.on(func(call, n int, req *http.Request) (*http.Response, error) {
			if call != submission {
				return nil, nil //nolint:nilnil // the stand-in answers
			}
			time.Sleep(time.Duration(n) * 10 * time.Millisecond) // S3 has the time to be told
			if n > died {
				die()
				<-req.Context().Done()
				return nil, req.Context().Err()
			}
			return nil, nil //nolint:nilnil // the stand-in answers
		})
		r.s3.Respond(func(http.ResponseWriter, *http.Request) bool {
			if gone.Err() != nil {
				panic(http.ErrAbortHandler)
			}
			return false
		})
		func() {
			ctx, cancel := context.WithTimeout(gone, invocation)
			defer cancel()
			req := form(scansForm(count), idempotencyKey, "k")
			defer req.Release()
			_, _ = r.recognizer.Post(ctx, req)
		}()
		r.s3.Respond(nil)
		r.on(nil)
		time.Sleep(time.Minute)
		before := r.submissions.Load()
		got := r.post(t, form(scansForm(count), idempotencyKey, "k"))
		wantProblem(t, got, problem.SubmissionUnknown, "")
		known := strings.TrimPrefix(got.err.Header.Get("Content-Location"), "recognize/")
		if known == "" {
			t.Fatalf("what is known is nowhere: %v", got)
		}
		table := r.get(t, known)
		// Four are under way at once: as many may not have come to be recorded.
		recorded := strings.Count(table.body, ",Ok,")
		if recorded < died-4 || recorded > died {
			t.Errorf("%d are known of %d: %v", recorded, died, table)
		}
		again := r.post(t, form(scansForm(count), idempotencyKey, "k", "Prefer", "resubmit"))
		if n := strings.Count(again.body, ",Ok,"); n != count || again.status != http.StatusOK {
			t.Errorf("%v", again)
		}
		if n := int(r.submissions.Load() - before); n != count-recorded {
			t.Errorf("%d submissions more, want %d", n, count-recorded)
		}
		third := r.post(t, form(scansForm(count), idempotencyKey, "k"))
		if third.body != again.body {
			t.Errorf("%v", third)
		}
	})
}

func TestKeysThatCannotBe(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for _, key := range []string{"", " ", `"`, `""`, `"a`, "a\x00", "ä", strings.Repeat("a", 256)} {
			wantProblem(t, r.post(t, form(scansForm(1), idempotencyKey, key)), problem.BadRequest, "printable ASCII")
		}
		wantProblem(t, r.post(t, form(scansForm(1), idempotencyKey, "a", idempotencyKey, "b")), problem.BadRequest, "one Idempotency-Key at most")
		r.wantCalls(t, 0, 0)
		for _, key := range []string{"a", strings.Repeat("a", 255), `"with \"quotes\" and \\"`, "class 7b"} {
			if got := r.post(t, form(scansForm(1), idempotencyKey, key)); got.status != http.StatusOK {
				t.Errorf("%q: %v", key, got)
			}
		}
	})
}

// Nothing in the bucket tells what was sent, by whom, or under which key.
func TestNothingInTheBucketTells(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.Aspose.SetOutcomes(sandbox.Outcome{Status: "Ok"})
		fields := []field{{"image", "Anna Canary.jpg", scan(0)}, {"image", "Ben Canary.jpg", scan(1)}, {"pattern", "Canary.omr", patternText()}}
		req := form(fields, idempotencyKey, "Canary 7b")
		req.Caller = decodeCaller(t, "CanaryKeyId")
		if got := r.post(t, req); got.status != http.StatusOK {
			t.Fatalf("%v", got)
		}
		for _, key := range r.s3.Keys() {
			data, _ := r.s3.Object(key)
			if text := key + string(data); strings.Contains(strings.ToLower(text), "canary") || strings.Contains(text, "7b,") || strings.Contains(text, "JFIF") {
				t.Errorf("%s holds %s", key, data)
			}
			if !json.Valid(data) {
				t.Errorf("%s is no record: %q", key, data)
			}
		}
	})
}
