package bucket_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"omr-relay/internal/bucket"
	"omr-relay/internal/budget"
	"omr-relay/internal/problem"
	"omr-relay/internal/sandbox"
)

const (
	caller = "0123456789abcdef0123456789abcdef"
	id     = "fedcba9876543210fedcba9876543210"
	key    = "uploads/" + caller + "/" + id
)

// newBucket is one on the stand-in, over sockets.
func newBucket(t *testing.T) (*bucket.Bucket, *sandbox.S3) {
	t.Helper()
	s3 := &sandbox.S3{}
	server := httptest.NewServer(s3)
	t.Cleanup(server.Close)
	return bucketAt(server.URL, nil), s3
}

func bucketAt(url string, client aws.HTTPClient) *bucket.Bucket {
	return bucket.New(aws.Config{
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider(sandbox.DefaultAccessKeyID, sandbox.DefaultSecretAccessKey, ""),
		BaseEndpoint: &url,
		HTTPClient:   client,
	}, sandbox.DefaultBucket, 1<<20)
}

func wantCode(t *testing.T, err error, code problem.Code, reason string) {
	t.Helper()
	e, ok := errors.AsType[*problem.Error](err)
	if !ok || e.Code != code || e.Reason != reason {
		t.Errorf("got %v, want %s: %s", err, code, reason)
		return
	}
	if code == problem.BucketUnavailable && (e.RetryAfter <= 0 || e.RetryAfter > 30*time.Second) {
		t.Errorf("come again after %v", e.RetryAfter)
	}
}

// TestForm: what comes by the form is there for its caller, and for nobody else.
func TestForm(t *testing.T) {
	b, s3 := newBucket(t)
	began := time.Now()
	form, err := b.NewForm(t.Context(), caller)
	if err != nil {
		t.Fatal(err)
	}
	if life := form.Expires.Sub(began); life <= bucket.FormLife-2*time.Second || life > bucket.FormLife+time.Second {
		t.Errorf("a form of %v", life)
	}
	if s3.Count() != 0 {
		t.Error("signing made a call")
	}
	if got := post(t, form, []byte("a scan")); got != "204" {
		t.Fatal(got)
	}
	if data, ok := s3.Object("uploads/" + caller + "/" + form.Upload); !ok || string(data) != "a scan" {
		t.Errorf("stored %q in %q", data, s3.Keys())
	}
	u, err := b.FindUpload(t.Context(), caller, form.Upload)
	if err != nil || u.Size != 6 || string(u.Head) != "a scan" {
		t.Errorf("%+v, %v", u, err)
	}
	_, err = b.FindUpload(t.Context(), strings.Repeat("0", 32), form.Upload)
	wantCode(t, err, problem.UploadNotFound, "")
	// One form, one place: what S3 refuses is not there.
	if other, err := b.NewForm(t.Context(), caller); err != nil || other.Upload == form.Upload {
		t.Errorf("%+v, %v", other, err)
	} else if got := post(t, other, make([]byte, 1<<20+1)); !strings.Contains(got, "EntityTooLarge") {
		t.Error(got)
	} else if got := post(t, other, nil); !strings.Contains(got, "EntityTooSmall") {
		t.Error(got)
	}
	s3.Now = func() time.Time { return time.Now().Add(bucket.FormLife + time.Second) }
	if got := post(t, form, []byte("late")); !strings.Contains(got, "Policy expired") {
		t.Error(got)
	}
	if len(s3.Keys()) != 1 {
		t.Errorf("stored %q", s3.Keys())
	}
}

func post(t *testing.T, form *bucket.Form, file []byte) string {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, value := range form.Fields {
		_ = w.WriteField(name, value)
	}
	part, _ := w.CreateFormFile("file", "Anna Müller 7b.jpg")
	_, _ = part.Write(file)
	w.Close()
	resp, err := http.Post(form.URL, w.FormDataContentType(), &body)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(resp.Body)
	return strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", string(said)))
}

// What S3 says of a request, and what becomes of it.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status       int
		code         string
		read, record problem.Code // empty is no error
		reason       string
	}{
		{403, "AccessDenied", problem.BucketUnavailable, problem.BucketUnavailable, "S3 denies access to the bucket"},
		{403, "InvalidAccessKeyId", problem.BucketUnavailable, problem.BucketUnavailable, "S3 denies access to the bucket"},
		{400, "ExpiredToken", problem.BucketUnavailable, problem.BucketUnavailable, "S3 denies access to the bucket"},
		{403, "", problem.BucketUnavailable, problem.BucketUnavailable, "S3 denies access to the bucket"},
		{404, "NoSuchKey", problem.UploadNotFound, "", ""},
		{404, "", problem.BucketUnavailable, problem.BucketUnavailable, "S3 failed"},
		{404, "NoSuchBucket", problem.BucketUnavailable, problem.BucketUnavailable, "there is no such bucket"},
		{503, "SlowDown", problem.BucketUnavailable, problem.BucketUnavailable, "S3 is throttling"},
		{429, "", problem.BucketUnavailable, problem.BucketUnavailable, "S3 is throttling"},
		{500, "InternalError", problem.BucketUnavailable, problem.BucketUnavailable, "S3 failed"},
		{301, "PermanentRedirect", problem.BucketUnavailable, problem.BucketUnavailable, "S3 failed"},
		{412, "PreconditionFailed", problem.UploadChanged, problem.BucketUnavailable, "S3 failed"},
	} {
		t.Run(fmt.Sprint(tt.status, tt.code), func(t *testing.T) {
			t.Parallel() // the SDK pauses before it tries again
			b, s3 := newBucket(t)
			s3.Respond(func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Content-Type", "application/xml")
				w.WriteHeader(tt.status)
				if tt.code != "" {
					_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>canary-7f3a</Message></Error>", tt.code)
				}
				return true
			})
			_, err := b.FindUpload(t.Context(), caller, id)
			reason := tt.reason
			if tt.read != problem.BucketUnavailable {
				reason = ""
			}
			wantCode(t, err, tt.read, reason)
			text, _ := json.Marshal(err)
			if said := fmt.Sprintf("%v %+v %#v %q %s %s", err, err, err, err, text, problem.From(err).Detail); strings.Contains(said, "canary") {
				t.Errorf("S3's own words: %s", said)
			}
			_, version, err := b.ReadRecord(t.Context(), "a/b")
			if tt.record == "" && (err != nil || version != "") {
				t.Errorf("version %q, %v", version, err)
			} else if tt.record != "" {
				wantCode(t, err, tt.record, tt.reason)
			}
		})
	}
}

// An upload's id is a part of a key: whatever is none is not asked for.
func TestIDs(t *testing.T) {
	b, s3 := newBucket(t)
	s3.SetObject("uploads/"+caller+"/../x", []byte("x"))
	for _, bad := range []string{"", "..", "../x", strings.ToUpper(id), id + "0", id[:30], id[:31] + "g", "../../" + key, id[:16] + "/" + id[:15]} {
		_, err := b.FindUpload(t.Context(), caller, bad)
		wantCode(t, err, problem.UploadNotFound, "")
	}
	if s3.Count() != 0 {
		t.Errorf("%d requests", s3.Count())
	}
}

func TestReading(t *testing.T) {
	b, s3 := newBucket(t)
	data := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
	s3.SetObject(key, data)
	u, err := b.FindUpload(t.Context(), caller, id)
	if err != nil || u.Size != int64(len(data)) || !bytes.Equal(u.Head, data[:1024]) {
		t.Fatalf("%v", err)
	}
	for range 2 { // it is read again after a 401
		if got := readAll(t, u); !bytes.Equal(got, data) {
			t.Errorf("%d bytes", len(got))
		}
	}
	part := make([]byte, 100)
	if n, err := u.ReadAt(part, 5000); n != 100 || err != nil || !bytes.Equal(part, data[5000:5100]) {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := u.ReadAt(part, u.Size-7); n != 7 || !errors.Is(err, io.EOF) {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := u.ReadAt(part, u.Size); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%d, %v", n, err)
	}
	s3.SetObject(key, nil)
	if u, err := b.FindUpload(t.Context(), caller, id); err != nil || u.Size != 0 || len(u.Head) != 0 {
		t.Errorf("an empty one: %+v, %v", u, err)
	}
}

func readAll(t *testing.T, u *bucket.Upload) []byte {
	t.Helper()
	body, err := u.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Error(err)
	}
	return data
}

// An upload that is written again is another one.
func TestChanged(t *testing.T) {
	b, s3 := newBucket(t)
	s3.SetObject(key, bytes.Repeat([]byte("a"), 5000))
	u, err := b.FindUpload(t.Context(), caller, id)
	if err != nil {
		t.Fatal(err)
	}
	s3.SetObject(key, bytes.Repeat([]byte("b"), 5000))
	_, err = u.Open()
	wantCode(t, err, problem.UploadChanged, "")
	_, err = u.ReadAt(make([]byte, 10), 0)
	wantCode(t, err, problem.UploadChanged, "")
	s3.RemoveObject(key)
	_, err = u.Open()
	wantCode(t, err, problem.UploadNotFound, "")
}

// A stream that breaks off is taken up where it was, and not for ever; one that
// finds another object there is not patched together.
func TestBrokenStream(t *testing.T) {
	data := make([]byte, 300_000)
	for i := range data {
		data[i] = byte(i * i >> 7)
	}
	for name, tt := range map[string]struct {
		breaks int
		change bool
		code   problem.Code
	}{
		"once":                     {breaks: 1},
		"four times":               {breaks: 4},
		"again and again":          {breaks: 1000, code: problem.BucketUnavailable},
		"once, and changed by now": {breaks: 1, change: true, code: problem.UploadChanged},
	} {
		t.Run(name, func(t *testing.T) {
			s3 := &sandbox.S3{}
			s3.SetObject(key, data)
			var streams atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("If-Match") == "" || int(streams.Add(1)) > tt.breaks {
					s3.ServeHTTP(w, r)
					return
				}
				rec := httptest.NewRecorder()
				s3.ServeHTTP(rec, r)
				maps.Copy(w.Header(), rec.Header())
				w.WriteHeader(rec.Code)
				if rec.Code/100 == 2 {
					_, _ = w.Write(rec.Body.Bytes()[:rec.Body.Len()/3])
					_ = http.NewResponseController(w).Flush()
					if tt.change {
						s3.SetObject(key, append([]byte("x"), data...))
					}
					panic(http.ErrAbortHandler)
				}
				_, _ = w.Write(rec.Body.Bytes())
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
			got, err := io.ReadAll(body)
			if tt.code != "" {
				if e, ok := errors.AsType[*problem.Error](err); !ok || e.Code != tt.code {
					t.Errorf("%v, want %s", err, tt.code)
				}
				return
			}
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes of %d, %v", len(got), len(data), err)
			}
		})
	}
}

// Records are written by one of several, over the network as over S3 itself.
func TestRecords(t *testing.T) {
	b, _ := newBucket(t)
	ctx := t.Context()
	var created atomic.Int64
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			_, ok, err := b.WriteRecord(ctx, "c/k", fmt.Append(nil, i), "")
			if err != nil {
				t.Error(err)
			}
			if ok {
				created.Add(1)
			}
		})
	}
	all.Wait()
	if created.Load() != 1 {
		t.Errorf("%d wrote the first record", created.Load())
	}
	_, version, err := b.ReadRecord(ctx, "c/k")
	if err != nil || version == "" {
		t.Fatalf("%q, %v", version, err)
	}
	second, ok, err := b.WriteRecord(ctx, "c/k", []byte("second"), version)
	if err != nil || !ok || second == version {
		t.Fatalf("%q, %t, %v", second, ok, err)
	}
	if _, ok, err := b.WriteRecord(ctx, "c/k", []byte("third"), version); ok || err != nil {
		t.Errorf("wrote over another's record: %v", err)
	}
	if data, v, err := b.ReadRecord(ctx, "c/k"); string(data) != "second" || v != second || err != nil {
		t.Errorf("%q %q %v", data, v, err)
	}
	if _, ok, err := b.WriteRecord(ctx, "c/none", []byte("x"), version); ok || err != nil {
		t.Errorf("wrote over nothing: %v", err)
	}
}

// S3 may say 409 where writes meet: that is a race that was lost, too.
func TestConflict(t *testing.T) {
	b, s3 := newBucket(t)
	s3.Respond(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, "<Error><Code>ConditionalRequestConflict</Code></Error>")
		return true
	})
	if _, ok, err := b.WriteRecord(t.Context(), "c/k", []byte("x"), ""); ok || err != nil {
		t.Errorf("%t, %v", ok, err)
	}
}

// TestSilence: a stream that says nothing for some time is asked for the rest.
func TestSilence(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	data := bytes.Repeat([]byte("x"), 200_000)
	s3 := &sandbox.S3{}
	s3.SetObject(key, data)
	var streams atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-Match") != "" && streams.Add(1) == 1 {
			w.Header().Set("Content-Length", strconv.Itoa(len(data)))
			w.Header().Set("ETag", r.Header.Get("If-Match"))
			_, _ = w.Write(data[:100_000])
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		s3.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	u, err := bucketAt(server.URL, nil).FindUpload(t.Context(), caller, id)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if got := readAll(t, u); !bytes.Equal(got, data) {
		t.Errorf("%d bytes", len(got))
	}
	if took := time.Since(began); took < budget.BucketSilence || streams.Load() != 2 {
		t.Errorf("%v, %d streams", took, streams.Load())
	}
}

// The context of the invocation ends everything.
func TestDeadline(t *testing.T) {
	b, s3 := newBucket(t)
	s3.SetObject(key, bytes.Repeat([]byte("x"), 5000))
	ctx, cancel := context.WithCancel(t.Context())
	u, err := b.FindUpload(ctx, caller, id)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_, err = u.Open()
	wantCode(t, err, problem.BucketUnavailable, "S3 cannot be reached, or broke off")
}
