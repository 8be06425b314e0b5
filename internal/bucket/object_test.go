package bucket_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"

	"omr-relay/internal/bucket"
	"omr-relay/internal/problem"
	"omr-relay/internal/sandbox"
)

// What comes with success, and cannot be S3's, is neither a scan nor a record, nor
// has it been written.
func TestWhatIsNotOfS3(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 500)
	for name, change := range map[string]func(rec *httptest.ResponseRecorder){
		"no ETag": func(rec *httptest.ResponseRecorder) { rec.Header().Del("ETag") },
		"coded":   func(rec *httptest.ResponseRecorder) { rec.Header().Set("Content-Encoding", "gzip") },
		"web page": func(rec *httptest.ResponseRecorder) {
			clear(rec.Header())
			rec.Body.Reset()
			rec.Body.WriteString("<html>")
		},
		"large":       func(rec *httptest.ResponseRecorder) { rec.Body.Write(make([]byte, 100<<10)) },
		"other":       func(rec *httptest.ResponseRecorder) { rec.Header().Set("ETag", `"0"`) },
		"other place": func(rec *httptest.ResponseRecorder) { rec.Header().Set("Content-Range", "bytes 1-2/3") },
	} {
		t.Run(name, func(t *testing.T) {
			s3 := &sandbox.S3{}
			s3.SetObject(key, data)
			s3.SetObject("idempotency/c/k", []byte("a record"))
			var wrong atomic.Bool
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				rec := httptest.NewRecorder()
				s3.ServeHTTP(rec, r)
				if wrong.Load() && rec.Code < 300 {
					change(rec)
					rec.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()))
				}
				maps.Copy(w.Header(), rec.Header())
				w.WriteHeader(rec.Code)
				_, _ = w.Write(rec.Body.Bytes())
			}))
			t.Cleanup(server.Close)
			b := bucketAt(server.URL, nil)
			u, err := b.FindUpload(t.Context(), caller, id)
			if err != nil {
				t.Fatal(err)
			}
			wrong.Store(true)
			wantRefused := func(err error) { t.Helper(); wantCode(t, err, problem.BucketUnavailable, "S3 failed") }
			_, err = u.ReadAt(make([]byte, 100), 200)
			wantRefused(err)
			if name == "other place" {
				return // which only parts have
			}
			_, err = u.Open()
			wantRefused(err)
			if name == "other" {
				return // whoever has not seen it before cannot tell
			}
			_, err = b.FindUpload(t.Context(), caller, id)
			wantRefused(err)
			_, _, err = b.ReadRecord(t.Context(), "c/k")
			wantRefused(err)
			if name == "no ETag" || name == "web page" {
				_, _, err = b.WriteRecord(t.Context(), "c/new", []byte("x"), "")
				wantRefused(err)
			}
		})
	}
}

// The rest that is asked for must be the rest: a server that sends the whole instead
// would have a scan patched together of two pieces that do not meet.
func TestRestThatIsNone(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
	s3 := &sandbox.S3{}
	s3.SetObject(key, data)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-Match") == "" {
			s3.ServeHTTP(w, r)
			return
		}
		w.Header().Set("ETag", r.Header.Get("If-Match"))
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		if r.Header.Get("Range") == "" {
			_, _ = w.Write(data[:len(data)/2])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write(data)
	}))
	t.Cleanup(server.Close)
	u, err := bucketAt(server.URL, nil).FindUpload(t.Context(), caller, id)
	if err != nil {
		t.Fatal(err)
	}
	body, err := u.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	_, err = io.ReadAll(body)
	wantCode(t, err, problem.BucketUnavailable, "S3 failed")
}

// A small answer that breaks off is asked for once more.
func TestSmallAnswerThatBreaksOff(t *testing.T) {
	for breaks, well := range map[int64]bool{1: true, 2: false} {
		s3 := &sandbox.S3{}
		s3.SetObject(key, bytes.Repeat([]byte("x"), 5000))
		s3.SetObject("idempotency/c/k", []byte("a record"))
		var left atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if left.Add(-1) < 0 {
				s3.ServeHTTP(w, r)
				return
			}
			w.Header().Set("ETag", `"0"`)
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}))
		t.Cleanup(server.Close)
		b := bucketAt(server.URL, nil)
		for name, read := range map[string]func(b *bucket.Bucket) error{
			"upload": func(b *bucket.Bucket) error { _, err := b.FindUpload(t.Context(), caller, id); return err },
			"record": func(b *bucket.Bucket) error { _, _, err := b.ReadRecord(t.Context(), "c/k"); return err },
		} {
			left.Store(breaks)
			if err := read(b); (err == nil) != well {
				t.Errorf("%s, broken off %d times: %v", name, breaks, err)
			}
		}
	}
}
