package app

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"omr-relay/internal/config"
	"omr-relay/internal/sandbox"
)

// TestBucketStaysWithS3 follows no redirect: what another host says is not S3's, and
// what is asked of it shows where scans are.
func TestBucketStaysWithS3(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		s3 := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", other.URL+r.URL.Path)
			w.WriteHeader(status)
		}))
		t.Cleanup(s3.Close)
		cfg := sandbox.New().AWSConfig()
		cfg.BaseEndpoint = aws.String(s3.URL)
		b := newBucket(config.Config{Bucket: "bucket", MaxUpload: 1}, Options{AWS: cfg})
		if _, _, err := b.ReadRecord(t.Context(), "c/k"); err == nil {
			t.Errorf("%d: taken for a record", status)
		}
		if _, ok, err := b.WriteRecord(t.Context(), "c/k", []byte("x"), ""); ok || err == nil {
			t.Errorf("%d: taken for a write", status)
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

// An error without an end does not fill the memory, an object of any length comes.
func TestBucketErrorIsLimited(t *testing.T) {
	for status, limited := range map[int]bool{200: false, 206: false, 403: true, 500: true} {
		endless := io.LimitReader(zeros{}, 4*maxBucketError)
		client := finalClient{roundTripClient{roundTripFunc(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Body: io.NopCloser(endless)}, nil
		})}}
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://s3.example/", http.NoBody)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if _, cut := errors.AsType[*http.MaxBytesError](err); cut != limited || limited && n > maxBucketError {
			t.Errorf("%d: %d bytes, %v", status, n, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
