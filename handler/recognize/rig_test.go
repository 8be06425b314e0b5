package recognize_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"omr-relay/handler/gateway"
	"omr-relay/handler/recognize"
	"omr-relay/internal/bucket"
	"omr-relay/internal/buffer"
	"omr-relay/internal/callrecord"
	"omr-relay/internal/idempotency"
	"omr-relay/internal/problem"
	"omr-relay/internal/sandbox"
	"omr-relay/internal/sensitive"
	"omr-relay/internal/token"
	"omr-relay/secrets"
)

// invocation is what an invocation has of time, its reserve taken off.
const invocation = 24500 * time.Millisecond

// rig is the package on the real token path and the stand-ins, without a socket,
// so that it can run in a bubble.
type rig struct {
	*sandbox.Sandbox
	recognizer *recognize.Recognizer
	generator  *recognize.Generator
	bare       *recognize.Recognizer // where there is no bucket
	s3         *sandbox.S3

	submissions, polls, cancels, mints atomic.Int64

	mu     sync.Mutex // guards what follows
	before func(call, n int, r *http.Request) (*http.Response, error)
}

// The calls, for hooks; each has a count of its own.
const (
	submission = iota
	poll
	cancellation
	mint
)

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{Sandbox: sandbox.New()}
	base, err := url.Parse("https://upstream.test")
	if err != nil {
		t.Fatal(err)
	}
	cache := token.NewCache(token.Config{Source: vault{}, Endpoint: base.JoinPath(sandbox.TokenPath), Transport: r})
	cfg := recognize.Config{Transport: &token.Transport{Base: r, Cache: cache}, BaseURL: base}
	r.bare, r.generator = recognize.NewRecognizer(cfg), recognize.NewGenerator(cfg)
	r.s3 = &sandbox.S3{}
	b := bucket.New(aws.Config{
		Region: "us-east-1", BaseEndpoint: new("http://s3.test"), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(sandbox.DefaultAccessKeyID, sandbox.DefaultSecretAccessKey, ""),
		HTTPClient:  &http.Client{Transport: sandbox.InProcess(r.s3)},
	}, sandbox.DefaultBucket, 50<<20)
	cfg.Ledger = &idempotency.Ledger{Store: b}
	cfg.FindUpload = func(ctx context.Context, caller, id string) (recognize.Upload, error) {
		found, err := b.FindUpload(ctx, caller, id)
		if err != nil {
			return nil, err
		}
		return upload{found}, nil
	}
	r.recognizer = recognize.NewRecognizer(cfg)
	return r
}

// upload is a bucket's as package app hands it on.
type upload struct{ found *bucket.Upload }

func (u upload) Size() int64                             { return u.found.Size }
func (u upload) Head() []byte                            { return u.found.Head }
func (u upload) ReadAt(p []byte, off int64) (int, error) { return u.found.ReadAt(p, off) }
func (u upload) Open() (io.ReadCloser, error)            { return u.found.Open() }

// put has a caller upload a file; number makes its id.
func (r *rig) put(caller gateway.Caller, number int, data string) (id string) {
	id = fmt.Sprintf("%032x", number)
	r.s3.SetObject("uploads/"+caller.Digest()+"/"+id, []byte(data))
	return id
}

type vault struct{}

func (vault) Get(context.Context) (secrets.Credentials, error) {
	return secrets.Credentials{ClientID: sensitive.New(sandbox.DefaultClientID), ClientSecret: sensitive.New(sandbox.DefaultClientSecret), Version: "1"}, nil
}

// on has before see each call, counted from 1; if it returns an answer or an
// error, that is what becomes of the call, which was taken.
func (r *rig) on(before func(call, n int, r *http.Request) (*http.Response, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before = before
}

var errNotTaken = errors.New("no connection")

func (r *rig) RoundTrip(req *http.Request) (*http.Response, error) {
	call, count := cancellation, &r.cancels
	switch {
	case strings.HasSuffix(req.URL.Path, sandbox.TokenPath):
		call, count = mint, &r.mints
	case req.Method == http.MethodPost:
		call, count = submission, &r.submissions
	case req.Method == http.MethodGet:
		call, count = poll, &r.polls
	}
	n := int(count.Add(1))
	r.mu.Lock()
	before := r.before
	r.mu.Unlock()
	var resp *http.Response
	var err error
	if before != nil {
		resp, err = before(call, n, req)
	}
	if errors.Is(err, errNotTaken) {
		return nil, err
	}
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if resp != nil || err != nil {
		return resp, err
	}
	return sandbox.InProcess(r.Upstream()).RoundTrip(req)
}

func (r *rig) wantCalls(t *testing.T, submissions, polls int) {
	t.Helper()
	if s, p := int(r.submissions.Load()), int(r.polls.Load()); s != submissions || p != polls {
		t.Errorf("%d submissions and %d polls, want %d and %d", s, p, submissions, polls)
	}
}

func respond(status int, body string, header ...string) (*http.Response, error) {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// reply is an answer, or the problem in its place.
type reply struct {
	status int
	header http.Header
	body   string
	err    *problem.Error
	record *callrecord.Record
	took   time.Duration
}

func (r reply) String() string {
	return fmt.Sprintf("%d %v %.300q, error %v, record %+v, after %v", r.status, r.header, r.body, r.err, r.record, r.took)
}

type method = func(context.Context, *gateway.Request) (*gateway.Answer, error)

// invoke runs one invocation with the given time left.
func invoke(t *testing.T, left time.Duration, do method, req *gateway.Request) (r reply) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), left)
	defer cancel()
	ctx, r.record = callrecord.With(ctx)
	began := time.Now()
	answer, err := do(ctx, req)
	r.took = time.Since(began)
	req.Release()
	if err != nil {
		var ok bool
		if r.err, ok = errors.AsType[*problem.Error](err); !ok || answer != nil {
			t.Fatalf("answer %v, error %v", answer, err)
		}
		return r
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil || int64(len(body)) != answer.Length {
		t.Errorf("a body of %d bytes instead of %d: %v", len(body), answer.Length, err)
	}
	answer.Body.Close()
	r.status, r.header, r.body = answer.Status, answer.Header, string(body)
	return r
}

func (r *rig) post(t *testing.T, req *gateway.Request) reply {
	t.Helper()
	return invoke(t, invocation, r.recognizer.Post, req)
}

func (r *rig) get(t *testing.T, id string, header ...string) reply {
	t.Helper()
	return invoke(t, invocation, func(ctx context.Context, req *gateway.Request) (*gateway.Answer, error) {
		return r.recognizer.Get(ctx, req, id)
	}, request(nil, header...))
}

func (r *rig) delete(t *testing.T, id string) reply {
	t.Helper()
	return invoke(t, invocation, func(ctx context.Context, req *gateway.Request) (*gateway.Answer, error) {
		return r.recognizer.Delete(ctx, req, id)
	}, request(nil))
}

var shelf buffer.Shelf

// request has a body in a buffer that others use before and after.
func request(body []byte, header ...string) *gateway.Request {
	req := &gateway.Request{Header: http.Header{}, Body: shelf.Take(len(body))}
	req.Body.B = append(req.Body.B, body...)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	return req
}

// field is a part of a form; one with a filename is a file.
type field struct{ name, filename, value string }

func form(fields []field, header ...string) *gateway.Request {
	body, contentType := encodeForm(fields)
	return request(body, append([]string{"Content-Type", contentType}, header...)...)
}

func encodeForm(fields []field) (body []byte, contentType string) {
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for _, f := range fields {
		h := textproto.MIMEHeader{}
		disposition := `form-data; name="` + f.name + `"`
		if f.filename != "" {
			disposition += `; filename="` + f.filename + `"`
			h.Set("Content-Type", "application/octet-stream")
		}
		h.Set("Content-Disposition", disposition)
		part, _ := w.CreatePart(h)
		_, _ = io.WriteString(part, f.value)
	}
	_ = w.Close()
	return out.Bytes(), w.FormDataContentType()
}

// scan is a small photograph, different for each number.
var scan = func(number int) string {
	m := image.NewGray(image.Rect(0, 0, 16, 16))
	for i := range m.Pix {
		m.Pix[i] = byte(i * (number + 1))
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, nil); err != nil {
		panic(err)
	}
	return out.String()
}

func patternText() string { return string(sandbox.SamplePattern()) }

// scansForm is a form of so many scans, named 1.jpg and so on, and the pattern.
func scansForm(count int, more ...field) []field {
	var fields []field
	for i := range count {
		fields = append(fields, field{"image", fmt.Sprintf("%d.jpg", i+1), scan(i)})
	}
	return append(append(fields, field{"pattern", "form.omr", patternText()}), more...)
}

// taskJSON is the upstream's own task.
func taskJSON(count int, more map[string]any) []byte {
	images := []string{}
	for i := range count {
		images = append(images, base64.StdEncoding.EncodeToString([]byte(scan(i))))
	}
	task := map[string]any{"images": images, "omrFile": base64.StdEncoding.EncodeToString([]byte(patternText()))}
	maps.Copy(task, more)
	body, _ := json.Marshal(task)
	return body
}

// inBubble runs a test where time passes when all wait.
func inBubble(t *testing.T, test func(*testing.T, *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newRig(t)) })
}

func wantProblem(t *testing.T, r reply, code problem.Code, detail string) {
	t.Helper()
	if r.err == nil || r.err.Code != code || !strings.Contains(r.err.Detail, detail) {
		var got string
		if r.err != nil {
			got = r.err.Detail
		}
		t.Errorf("%v with %q, want %s with %q", r, got, code, detail)
	}
}

var baseURL = &url.URL{Scheme: "https", Host: "upstream.test"}

// roundTrip is a transport without tokens.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
