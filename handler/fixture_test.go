package handler_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"omr-relay/handler"
	"omr-relay/internal/app"
)

// roundTrip is a function in a connection's place.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// sent is a relayed call as the handler made it.
type sent struct {
	method, target string
	header         http.Header
	body           []byte
}

// fixture is a Handler with functions for everything that it calls.
type fixture struct {
	*handler.Handler
	out lines

	mu    sync.Mutex // guards calls
	calls []sent
}

// newFixture returns a Handler whose upstream answers as the function says;
// nil answers 200.
func newFixture(upstream roundTrip) *fixture {
	if upstream == nil {
		upstream = func(*http.Request) (*http.Response, error) { return respond(http.StatusOK, nil, "ok"), nil }
	}
	return fixtureOf(handler.Config{Relay: upstream})
}

// fixtureOf completes cfg.
func fixtureOf(cfg handler.Config) *fixture {
	f := &fixture{}
	relay := cfg.Relay
	cfg.Relay = roundTrip(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		_ = r.Body.Close() // as a RoundTripper must
		if err != nil {
			return nil, err
		}
		f.mu.Lock()
		f.calls = append(f.calls, sent{r.Method, r.URL.RequestURI(), r.Header, body})
		f.mu.Unlock()
		return relay.RoundTrip(r)
	})
	if cfg.BaseURL == nil {
		cfg.BaseURL = &url.URL{Scheme: "https", Host: "upstream.test"}
	}
	if cfg.Connect == nil {
		cfg.Connect = roundTrip(func(*http.Request) (*http.Response, error) { return respond(http.StatusOK, nil, ""), nil })
	}
	if cfg.Tokens == nil {
		cfg.Tokens = tokens(func(context.Context, time.Duration) (time.Duration, error) { return time.Hour, nil })
	}
	cfg.Log, cfg.Metrics = app.NewLogger(&f.out, 0), true
	f.Handler = handler.New(cfg)
	return f
}

// only returns the one call that was made.
func (f *fixture) only(t *testing.T) sent {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.calls) != 1 {
		t.Fatalf("%d calls of the upstream, want 1", len(f.calls))
	}
	return f.calls[0]
}

func (f *fixture) none(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.calls) != 0 {
		t.Errorf("the upstream was called: %s %s", f.calls[0].method, f.calls[0].target)
	}
}

// tokens is a function in the token cache's place.
type tokens func(context.Context, time.Duration) (time.Duration, error)

func (f tokens) Ensure(ctx context.Context, d time.Duration) (time.Duration, error) { return f(ctx, d) }

// respond is an answer of the upstream. header may be nil.
func respond(status int, header http.Header, body string) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

// lines keeps what is written to it, a line at a time.
type lines struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	checkEMF(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Reset()
}

// withID gives ctx what Lambda's runtime client puts into it.
func withID(ctx context.Context) context.Context {
	return lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: requestID})
}

type invoker interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// reply is the answer to an HTTP event.
type reply struct {
	StatusCode        int                 `json:"statusCode"`
	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	IsBase64Encoded   *bool               `json:"isBase64Encoded"`
	Body              *string             `json:"body"`

	body []byte // decoded
	raw  []byte // the whole answer
}

// invoke sends an HTTP event through h and reads the answer.
func invoke(t *testing.T, h invoker, e event) reply {
	t.Helper()
	out, err := h.Invoke(withID(t.Context()), e.payload())
	if err != nil {
		t.Fatalf("Invoke: %v", err)
	}
	return readReply(t, out)
}

func readReply(t *testing.T, out []byte) reply {
	t.Helper()
	r, err := parseReply(out)
	if err != nil {
		t.Fatalf("%v in %.2000s", err, out)
	}
	return r
}

// parseReply wants every field that leaves API Gateway nothing to guess, and
// no other.
func parseReply(out []byte) (reply, error) {
	var r reply
	dec := json.NewDecoder(bytes.NewReader(out))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return r, err
	}
	if r.StatusCode == 0 || r.Headers == nil || r.IsBase64Encoded == nil || r.Body == nil {
		return r, errors.New("a field is missing")
	}
	r.body, r.raw = []byte(*r.Body), out
	var err error
	if *r.IsBase64Encoded {
		r.body, err = base64.StdEncoding.DecodeString(*r.Body)
	}
	return r, err
}

// problemDocument is a problem document.
type problemDocument struct {
	Type, Title, Detail, Instance, Code string
	Status                              int
}

// wantProblem checks that r is a problem document with that status and code,
// whole in itself.
func wantProblem(t *testing.T, r reply, status int, code string) problemDocument {
	t.Helper()
	var p problemDocument
	if err := json.Unmarshal(r.body, &p); err != nil {
		t.Fatalf("%v in %d %s", err, r.StatusCode, r.body)
	}
	want := problemDocument{Type: "urn:omr-relay:problem:" + code, Title: p.Title, Detail: p.Detail, Instance: requestID, Code: code, Status: status}
	if p != want || r.StatusCode != status || p.Title == "" || p.Detail == "" ||
		r.Headers["Content-Type"] != "application/problem+json" || r.Headers["Cache-Control"] != "no-store" {
		t.Errorf("got %d %v %s, want %d %s", r.StatusCode, r.Headers, r.body, status, code)
	}
	return p
}
