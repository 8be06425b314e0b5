package faultmatrix

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestBucketMatrix runs every cell of the bucket's table: a fault of S3, when a
// request with an upload and an Idempotency-Key comes to a step.
func TestBucketMatrix(t *testing.T) {
	t.Parallel()
	for _, at := range steps {
		for _, f := range s3Faults {
			for _, p := range f.over {
				if !befalls(f, at) {
					continue
				}
				name := fmt.Sprintf("%s/%s/%s", at, f.name, p)
				t.Run(strings.ReplaceAll(name, "HTTP/", "HTTP "), func(t *testing.T) {
					t.Parallel()
					runBucketCell(t, at, f, p)
				})
			}
		}
	}
}

func runBucketCell(t *testing.T, at step, f *fault, p protocol) {
	t.Helper()
	want, ok := findBucket(at, f)
	if !ok {
		t.Fatal("the table does not have this cell")
	}
	slots, deadline := working, patient
	if f.hangs {
		slots = waiting
		if f.times == 0 {
			deadline = hanging
		}
	}
	slots <- struct{}{}
	defer func() { <-slots }()
	b := newBucketRig(t, p, f)
	b.putUpload()
	if at == recorded {
		b.want("before", "202", 1, "")
	}
	b.fail(at, f)
	b.meet(f, want, deadline)
	b.s3.part(false)
	b.s3.heal()
	b.comesAgain(want)
	if n := b.elsewhere.taken(); n != 0 {
		t.Errorf("%d requests reached the host that was redirected to", n)
	}
}

// meet sends the request while S3 fails.
func (b *bucketRig) meet(f *fault, want met, deadline time.Duration) {
	b.t.Helper()
	got := b.recognize(deadline, "")
	if got.text != want.answer {
		b.t.Errorf("answered %s, want %s: %s", got.text, want.answer, got.detail)
	}
	n := b.submissions()
	if n != want.submitted {
		b.t.Errorf("%d submissions, want %d", n, want.submitted)
	}
	if !f.refuses && b.met.Load() == 0 {
		b.t.Error("nothing failed")
	}
	if unavailable := strings.HasPrefix(got.text, "503"); unavailable != (got.retryAfter > 0 && !strings.HasPrefix(got.text, "202") && !strings.HasPrefix(got.text, "409")) || got.retryAfter > 30 {
		b.t.Errorf("%s with Retry-After %d", got.text, got.retryAfter)
	}
	checkBucketDetail(b.t, got, want, n)
}

// checkBucketDetail holds a problem to what it says of the submission. Of a request
// that came before it speaks for itself alone.
func checkBucketDetail(t *testing.T, got outcome, want met, submitted int) {
	t.Helper()
	if got.detail == "" {
		return
	}
	says := strings.Contains(got.detail, "Nothing was submitted.")
	speaksForItself := strings.Contains(got.detail, "Nothing was submitted by this ")
	switch {
	case submitted > 0 && says, submitted > 0 && speaksForItself && !want.before:
		t.Errorf("submitted, and the caller is told: %s", got.detail)
	case submitted == 0 && !says && !speaksForItself:
		t.Errorf("not submitted, and the caller is told: %s", got.detail)
	}
}

// comesAgain sends the same request once more, now that all is well. Whatever
// happened, nothing is paid for twice unless the caller says so.
func (b *bucketRig) comesAgain(want met) {
	b.t.Helper()
	n := want.submitted
	if want.again == fresh {
		n++
	}
	b.want("again", want.again, n, "")
	if n > 1 {
		b.t.Error("the table has it submitted twice")
	}
	logged := strings.Contains(string(b.out.bytes()), "idempotency_error")
	if want.again != held {
		b.want("once more", known, n, "")
		return
	}
	if want.submitted > 0 && !logged {
		b.t.Error("the log does not say that the record could not be written")
	}
	b.age()
	b.want("later", "409 submission_unknown", n, "")
	b.want("resubmitted", fresh, n+1, ", resubmit")
	b.want("after that", known, n+1, "")
}

func (b *bucketRig) want(when, answer string, submissions int, prefer string) {
	b.t.Helper()
	got := b.recognize(patient, prefer)
	if n := b.submissions(); got.text != answer || n != submissions {
		b.t.Errorf("%s: answered %s after %d submissions, want %s after %d: %s", when, got.text, n, answer, submissions, got.detail)
	}
}

// TestUploadFormNeedsNoS3: nothing is asked of S3 for a form.
func TestUploadFormNeedsNoS3(t *testing.T) {
	t.Parallel()
	b := newBucketRig(t, http1, s3Refused)
	b.s3.fail(s3Refused)
	b.putUpload()
	b.s3.heal()
	if n := b.s3.taken(); n != 0 {
		t.Errorf("%d requests to S3", n)
	}
	b.want("in the end", fresh, 1, "")
}
