package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"omr-relay/internal/sandbox"
)

// shared is what processes of the function that come one after another, or run beside
// one another, have in common: a bucket, a secret, and an upstream that remembers
// what it was paid for.
type shared struct {
	t   *testing.T
	box *sandbox.Sandbox
	env []string

	mu    sync.Mutex // guards what follows
	hook  func(*arrival)
	tasks []submitted
}

// submitted is a task that the upstream has made.
type submitted struct{ id, image string }

// arrival is a request that a stand-in is about to serve.
type arrival struct {
	hop hop
	w   http.ResponseWriter
	*http.Request
	// serve has the stand-in serve it, and returns the answer, which goes no further.
	serve func() *httptest.ResponseRecorder
}

type hop string

const (
	secretHop   hop = "secret"
	bucketHop   hop = "bucket"
	upstreamHop hop = "upstream" // tokens as well
)

const submission = "/v5.0/omr/RecognizeTemplate/PostRecognizeTemplate"

func newShared(t *testing.T) *shared {
	t.Helper()
	s := &shared{t: t, box: sandbox.New()}
	s.box.Aspose.SetNotReady(0)
	serve := func(at hop, next http.Handler) string {
		server := httptest.NewServer(s.hooked(at, next))
		t.Cleanup(server.Close)
		return server.URL
	}
	s.env = []string{
		"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + serve(secretHop, s.box.Secrets),
		"AWS_ENDPOINT_URL_S3=" + serve(bucketHop, s.box.S3),
		"OMR_BASE_URL=" + serve(upstreamHop, http.HandlerFunc(s.upstream)),
		"OMR_BUCKET=" + sandbox.DefaultBucket,
		"AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=" + sandbox.DefaultAccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + sandbox.DefaultSecretAccessKey,
	}
	return s
}

// start runs one more process.
func (s *shared) start(env ...string) *function {
	s.t.Helper()
	return startIn(s.t, s.box, append(slices.Clone(s.env), env...)...)
}

// intercept lets hook see requests from now on: what it neither serves nor answers is
// served after it has returned. It runs concurrently, and may block.
func (s *shared) intercept(hook func(*arrival)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = hook
}

func (s *shared) hooked(at hop, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		hook := s.hook
		s.mu.Unlock()
		var answer *httptest.ResponseRecorder
		serve := func() *httptest.ResponseRecorder {
			if answer == nil {
				answer = httptest.NewRecorder()
				next.ServeHTTP(answer, r)
			}
			return answer
		}
		if hook != nil {
			hook(&arrival{at, w, r, serve})
		}
		if answer == nil {
			next.ServeHTTP(w, r)
			return
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = answer.Body.WriteTo(w)
	})
}

// upstream is the sandbox's, and keeps an account of tasks.
func (s *shared) upstream(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != submission {
		s.box.Upstream().ServeHTTP(w, r)
		return
	}
	var body bytes.Buffer
	r.Body = io.NopCloser(io.TeeReader(r.Body, &body))
	answer := httptest.NewRecorder()
	s.box.Upstream().ServeHTTP(answer, r)
	if answer.Code == http.StatusOK {
		var task struct{ Images [][]byte }
		_ = json.Unmarshal(body.Bytes(), &task) // the stand-in has read it as well
		s.mu.Lock()
		s.tasks = append(s.tasks, submitted{answer.Body.String(), string(task.Images[0])})
		s.mu.Unlock()
	}
	w.WriteHeader(answer.Code)
	_, _ = answer.Body.WriteTo(w)
}

// paid are the tasks that there are.
func (s *shared) paid() []submitted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.tasks)
}

// record returns the one request that is on record, and its key in the bucket.
func (s *shared) record() (key string, fields map[string]any) {
	s.t.Helper()
	keys := slices.DeleteFunc(s.box.S3.Keys(), func(key string) bool { return !strings.HasPrefix(key, "idempotency/") })
	if len(keys) != 1 {
		s.t.Fatalf("%d requests are on record", len(keys))
	}
	text, _ := s.box.S3.Object(keys[0])
	if err := json.Unmarshal(text, &fields); err != nil {
		s.t.Fatalf("on record is %s: %v", text, err)
	}
	return keys[0], fields
}

// age lets the time pass by which the invocation on record has certainly ended.
func (s *shared) age() {
	s.t.Helper()
	key, fields := s.record()
	text, _ := fields["until"].(string) // which cannot be read if it is none
	until, err := time.Parse(time.RFC3339Nano, text)
	if left := time.Until(until); err != nil || left <= 0 || left > 40*time.Second {
		s.t.Errorf("the record is of an invocation that ends in %v, %v", left, err)
	}
	fields["until"] = time.Now().Add(-time.Second).UTC()
	aged, err := json.Marshal(fields)
	if err != nil {
		s.t.Fatal(err)
	}
	s.box.S3.SetObject(key, aged)
}

// answered is an answer to a caller.
type answered struct {
	status int
	code   string // of a problem
	header http.Header
	body   string
}

// recognize calls POST /recognize with the key; prefer may be empty.
func (s *shared) recognize(f *function, prefer string, body []byte) answered {
	s.t.Helper()
	return f.call(s.t.Context(), "/recognize", once(prefer), body)
}

// once is the header of a request that must not be paid for twice.
func once(prefer string) http.Header {
	return http.Header{"Idempotency-Key": {"of-the-test"}, "Prefer": {prefer}}
}

// call makes a POST of JSON. Once ctx is done, the answer is empty.
func (f *function) call(ctx context.Context, path string, header http.Header, body []byte) answered {
	f.t.Helper()
	header.Set("Content-Type", "application/json")
	result, err := f.api.Invoke(ctx, eventWith(f.t, http.MethodPost, path, header, body), 25*time.Second)
	if ctx.Err() != nil {
		return answered{}
	}
	var answer struct {
		StatusCode int
		Headers    map[string]string
		Body       string
	}
	if err == nil {
		err = json.Unmarshal(result.Payload, &answer)
	}
	if err != nil || result.Failed {
		f.t.Errorf("POST %s: %.300s, %v", path, result.Payload, err)
		return answered{}
	}
	a := answered{status: answer.StatusCode, header: http.Header{}, body: answer.Body}
	for name, value := range answer.Headers {
		a.header.Set(name, value)
	}
	var document struct{ Code string }
	_ = json.Unmarshal([]byte(answer.Body), &document) // not a problem: the code stays empty
	a.code = document.Code
	return a
}

// upload sends a file by the form of POST /uploads, as a client does.
func (f *function) upload(data []byte) (id string) {
	f.t.Helper()
	answer := f.call(f.t.Context(), "/uploads", http.Header{}, nil)
	var form struct {
		Upload, URL string
		Fields      map[string]string
	}
	if err := json.Unmarshal([]byte(answer.body), &form); err != nil || answer.status != http.StatusOK {
		f.t.Fatalf("POST /uploads: %+v", answer)
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, value := range form.Fields {
		_ = w.WriteField(name, value) // memory takes everything
	}
	part, err := w.CreateFormFile("file", "scan.jpg")
	if err != nil {
		f.t.Fatal(err)
	}
	_, _ = part.Write(data)
	_ = w.Close()
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, form.URL, &body)
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(resp.Body)
		f.t.Fatalf("sending the file: %d %s", resp.StatusCode, text)
	}
	return form.Upload
}

// task is Aspose's own JSON, with images that are uploads if they are named so, or
// else come along.
func task(t *testing.T, images ...any) []byte {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"images": images, "omrFile": base64.StdEncoding.EncodeToString(sandbox.SamplePattern()), "outputFormat": "CSV",
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// byID is an image that was uploaded.
func byID(id string) map[string]string { return map[string]string{"upload": id} }

// kill ends the process as a crash of its machine would, and returns when it is gone.
func (f *function) kill() {
	f.t.Helper()
	if err := f.process.Kill(); err != nil {
		f.t.Fatal(err)
	}
	_, _ = f.process.Wait()
}
