package bucket_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"omr-relay/internal/problem"
)

// TestCreate: of several writes the first one counts, whatever becomes of its answer.
func TestCreate(t *testing.T) {
	b, s3 := newBucket(t)
	create := func(text string) (bool, error) {
		return b.Files().Create(t.Context(), "batches/x/order.json", strings.NewReader(text), "application/json")
	}
	if created, err := create("first"); err != nil || !created {
		t.Errorf("%v, %v", created, err)
	}
	if created, err := create("second"); err != nil || created {
		t.Errorf("%v, %v", created, err)
	}
	if data, _ := s3.Object("batches/x/order.json"); string(data) != "first" {
		t.Errorf("stored %q", data)
	}
}

// TestCreateFails: another write under way is another one's; all else is an outage, and
// so is success without an ETag, which is not S3's.
func TestCreateFails(t *testing.T) {
	for status, want := range map[int]problem.Code{409: "", 412: "", 403: problem.BucketUnavailable, 404: problem.BucketUnavailable, 500: problem.BucketUnavailable, 200: problem.BucketUnavailable} {
		b, s3 := newBucket(t)
		var asked atomic.Int32
		s3.Respond(func(w http.ResponseWriter, _ *http.Request) bool {
			asked.Add(1)
			w.WriteHeader(status)
			return true
		})
		created, err := b.Files().Create(t.Context(), "batches/x/order.json", strings.NewReader("x"), "application/json")
		if created || (err == nil) != (want == "") || err != nil && problem.From(err).Code != want || asked.Load() == 0 {
			t.Errorf("%d: %v, %v", status, created, err)
		}
	}
}
