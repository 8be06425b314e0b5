package batch_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"image"
	"image/jpeg"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"omr-relay/internal/batch"
	"omr-relay/internal/bucket"
	"omr-relay/internal/omr"
	"omr-relay/internal/sandbox"
	"omr-relay/internal/sensitive"
	"omr-relay/internal/token"
	"omr-relay/secrets"
)

// world is what outlives processes: the stand-ins, and Step Functions' view of the map.
type world struct {
	*sandbox.Sandbox

	mu        sync.Mutex // guards what follows
	submitted map[string]int
	polls     int
	calls     int            // of all processes, to any service
	upstream  upstreamHook   // may answer in the upstream's place
	kill      killing        // of one process, once
	vaultErr  error          // why there are no credentials
	others    []string       // executions that began earlier
	at        map[string]int // concurrency of the map, by execution
	changes   []int
}

// upstreamHook sees a call with the scan that it submits, if it does.
type upstreamHook func(scan string, r *http.Request) (*http.Response, error)

// killing ends a process at the call of that number, before or after it arrived.
type killing struct {
	call   int
	after  bool
	killed bool
}

func newWorld() *world {
	return &world{Sandbox: sandbox.New(), submitted: map[string]int{}, at: map[string]int{}}
}

// process is one environment of the function. Once it is killed it does nothing.
type process struct {
	world  *world
	dead   bool // guarded by world.mu
	runner *batch.Runner
}

// killedError is the panic of a process that is killed.
type killedError struct{}

func (w *world) process(t *testing.T, change ...func(*batch.Runner)) *process {
	t.Helper()
	p := &process{world: w}
	base, err := url.Parse("https://upstream.test")
	if err != nil {
		t.Fatal(err)
	}
	upstream := roundTrip(p.callUpstream)
	cache := token.NewCache(token.Config{Source: vault{w}, Endpoint: base.JoinPath(sandbox.TokenPath), Transport: upstream})
	b := bucket.New(aws.Config{
		Region: "us-east-1", BaseEndpoint: new("http://s3.test"), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(sandbox.DefaultAccessKeyID, sandbox.DefaultSecretAccessKey, ""),
		HTTPClient:  &http.Client{Transport: roundTrip(p.callS3)},
	}, sandbox.DefaultBucket, 50<<20)
	p.runner = &batch.Runner{
		Files: b.Files(), Records: b.Records(""), Tokens: cache, Map: stepFunctions{w},
		Client:    &omr.Client{Transport: &token.Transport{Base: upstream, Cache: cache}, BaseURL: base},
		MaxSheets: 100, MaxPages: 10, Most: 10,
	}
	for _, f := range change {
		f(p.runner)
	}
	return p
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// call makes a call, unless the process is killed at it.
func (p *process) call(next func() (*http.Response, error)) (*http.Response, error) {
	w := p.world
	w.mu.Lock()
	w.calls++
	now := !w.kill.killed && w.kill.call > 0 && w.calls == w.kill.call
	if now {
		w.kill.killed, p.dead = true, true
	}
	dead := p.dead
	w.mu.Unlock()
	if now && w.kill.after {
		_, _ = next()
	}
	if dead {
		panic(killedError{})
	}
	return next()
}

func (p *process) callS3(r *http.Request) (*http.Response, error) {
	return p.call(func() (*http.Response, error) { return sandbox.InProcess(p.world.S3).RoundTrip(r) })
}

func (p *process) callUpstream(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return p.call(func() (*http.Response, error) { return p.world.answer(r, body) })
}

// answer is what the token service or Aspose says.
func (w *world) answer(r *http.Request, body []byte) (*http.Response, error) {
	var task struct{ Images [][]byte }
	scan := ""
	if json.Unmarshal(body, &task) == nil && len(task.Images) > 0 {
		scan = nameOf(task.Images[0])
	}
	w.mu.Lock()
	hook := w.upstream
	w.mu.Unlock()
	if hook != nil {
		if resp, err := hook(scan, r); resp != nil || err != nil {
			return resp, err
		}
	}
	took(r)
	w.mu.Lock()
	if scan != "" {
		w.submitted[scan]++
	} else if r.Method == http.MethodGet {
		w.polls++
	}
	w.mu.Unlock()
	return sandbox.InProcess(w.Upstream()).RoundTrip(r)
}

// took has a connection take the call, which then may have been received.
func took(r *http.Request) {
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
}

func respond(status int, body string, header ...string) (*http.Response, error) {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// nameOf is what a scan is called in tests' counts.
func nameOf(scan []byte) string {
	sum := sha256.Sum256(scan)
	return hex.EncodeToString(sum[:4])
}

// wantSubmissions compares how often each scan was submitted; pages are counted
// together, for their bytes are a library's.
func (w *world) wantSubmissions(t *testing.T, sheets int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for scan, n := range w.submitted {
		if n != 1 {
			t.Errorf("scan %s was submitted %d times", scan, n)
		}
	}
	if len(w.submitted) != sheets {
		t.Errorf("%d scans were submitted, want %d", len(w.submitted), sheets)
	}
}

type vault struct{ w *world }

func (v vault) Get(context.Context) (secrets.Credentials, error) {
	v.w.mu.Lock()
	defer v.w.mu.Unlock()
	return secrets.Credentials{ClientID: sensitive.New(sandbox.DefaultClientID), ClientSecret: sensitive.New(sandbox.DefaultClientSecret), Version: "1"}, v.w.vaultErr
}

// stepFunctions is a batch.Map.
type stepFunctions struct{ w *world }

func (s stepFunctions) Alone(_ context.Context, _ string) (bool, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return len(s.w.others) == 0, nil
}

func (s stepFunctions) Concurrency(_ context.Context, execution string) (run string, now int, err error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if now, ok := s.w.at[execution]; ok {
		return "run of " + execution, now, nil
	}
	return "", 0, nil
}

func (s stepFunctions) SetConcurrency(_ context.Context, run string, to int) error {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.w.at[strings.TrimPrefix(run, "run of ")] = to
	s.w.changes = append(s.w.changes, to)
	return nil
}

// photo is a scan that is unlike every other of another number.
func photo(number int) []byte {
	m := image.NewGray(image.Rect(0, 0, 16, 16))
	for i := range m.Pix {
		m.Pix[i] = byte(i * (number + 1))
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, nil); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// file is one of package scans' test data.
func file(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("../scans/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const exam = "batches/exam/"

// place puts a batch of these scans under the prefix.
func (w *world) place(prefix string, scans map[string][]byte) {
	w.S3.SetObject(prefix+"pattern.omr", sandbox.SamplePattern())
	for name, data := range scans {
		w.S3.SetObject(prefix+name, data)
	}
}

// object is what is under a key, or "none".
func (w *world) object(key string) string {
	data, ok := w.S3.Object(key)
	if !ok {
		return "none"
	}
	return string(data)
}

func wantFault(t *testing.T, err error, name batch.Name, text string) {
	t.Helper()
	f, ok := errors.AsType[*batch.Fault](err)
	if !ok || f.Name != name || !strings.Contains(f.Error(), text) {
		t.Errorf("got %v, want %s: %s", err, name, text)
	}
}

// rows are those of a table, without its head.
func rows(table string) []string {
	lines := strings.Split(strings.TrimSuffix(table, "\r\n"), "\r\n")
	return lines[1:]
}

const answered = `Ok,A,C,B,SAMPLE made by a stand-in; nothing was recognized.`
