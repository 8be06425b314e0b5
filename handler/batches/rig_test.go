package batches_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"omr-relay/handler/batches"
	"omr-relay/handler/gateway"
	"omr-relay/internal/buffer"
	"omr-relay/internal/callrecord"
	"omr-relay/internal/problem"
)

// pattern is one as far as anybody looks at it.
const pattern = `{"Pages":[{"Elements":[]}]}`

// world is a bucket and a state machine in memory.
type world struct {
	*batches.Batches

	mu      sync.Mutex // guards what follows
	objects map[string][]byte
	runs    map[string]*batches.Execution
	order   []string // of their starts
	erasing map[string]string
	fail    map[string]error // by the call that comes to it
	calls   []string
	lost    bool // the next Create is done, and its answer lost
}

func newWorld() *world {
	w := &world{objects: map[string][]byte{}, runs: map[string]*batches.Execution{}, erasing: map[string]string{}, fail: map[string]error{}}
	w.Batches = batches.New(batches.Config{MaxSheets: 3, Store: store{w}, Machine: machine{w}})
	return w
}

// call counts a call, and fails it if it is to fail.
func (w *world) call(name string) (func(), error) {
	w.mu.Lock()
	w.calls = append(w.calls, name)
	return w.mu.Unlock, w.fail[name]
}

type store struct{ w *world }

func (s store) Read(_ context.Context, key string) (io.ReadCloser, int64, error) {
	unlock, err := s.w.call("Read")
	defer unlock()
	data, ok := s.w.objects[key]
	if err == nil && !ok {
		err = fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(data)), int64(len(data)), err
}

func (s store) Write(_ context.Context, key string, body io.ReadSeeker, _ string) error {
	data, _ := io.ReadAll(body)
	unlock, err := s.w.call("Write")
	defer unlock()
	if err == nil {
		s.w.objects[key] = data
	}
	return err
}

func (s store) Create(_ context.Context, key string, body io.ReadSeeker, _ string) (bool, error) {
	data, _ := io.ReadAll(body)
	unlock, err := s.w.call("Create")
	defer unlock()
	if _, there := s.w.objects[key]; there || err != nil {
		return false, err
	}
	s.w.objects[key] = data
	created := !s.w.lost
	s.w.lost = false
	return created, nil
}

func (s store) Link(_ context.Context, key, name string) (string, error) {
	unlock, err := s.w.call("Link")
	defer unlock()
	return "https://bucket.test/" + key + "?as=" + name + "&signed", err
}

type machine struct{ w *world }

func (m machine) Start(_ context.Context, name, prefix string) error {
	unlock, err := m.w.call("Start")
	defer unlock()
	if err != nil || m.w.runs[name] != nil {
		return err
	}
	if want := "batches/" + strings.Replace(name, "-", "/", 1) + "/"; prefix != want {
		return fmt.Errorf("the prefix %s", prefix)
	}
	m.w.runs[name] = &batches.Execution{Status: batches.Running, Started: time.Now()}
	m.w.order = append(m.w.order, name)
	return nil
}

func (m machine) Describe(_ context.Context, name string) (batches.Execution, bool, error) {
	unlock, err := m.w.call("Describe")
	defer unlock()
	e, ok := m.w.runs[name]
	if !ok || err != nil {
		return batches.Execution{}, false, err
	}
	return *e, true, nil
}

func (m machine) Stop(_ context.Context, name string) error {
	unlock, err := m.w.call("Stop")
	defer unlock()
	if err == nil {
		m.w.runs[name].Status, m.w.runs[name].Ended = batches.Stopped, time.Now()
	}
	return err
}

func (m machine) Earliest(context.Context) (string, error) {
	unlock, err := m.w.call("Earliest")
	defer unlock()
	i := slices.IndexFunc(m.w.order, func(name string) bool { return m.w.runs[name].Status == batches.Running })
	if i < 0 || err != nil {
		return "", err
	}
	return m.w.order[i], nil
}

func (m machine) Erase(_ context.Context, name, prefix string) error {
	unlock, err := m.w.call("Erase")
	defer unlock()
	if err == nil {
		m.w.erasing[name] = prefix
	}
	return err
}

func (m machine) Erasing(_ context.Context, name string) (bool, error) {
	unlock, err := m.w.call("Erasing")
	defer unlock()
	return err == nil && m.w.erasing[name] != "", err
}

// end ends the one batch that runs.
func (w *world) end(e batches.Execution) (name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for called, run := range w.runs {
		if run.Status == batches.Running {
			e.Started, e.Ended = run.Started, time.Now()
			name, w.runs[called] = called, &e
		}
	}
	return name
}

func (w *world) keys() []string { return slices.Sorted(maps.Keys(w.objects)) }

// count is how often a call was made.
func (w *world) count(name string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, call := range w.calls {
		if call == name {
			n++
		}
	}
	return n
}

// callers of whom there are two.
var one, two = callerOf("key-1"), callerOf("key-2")

func callerOf(keyID string) gateway.Caller {
	e, err := gateway.Decode(fmt.Appendf(nil, `{"httpMethod":"GET","path":"/","requestContext":{"identity":{"apiKeyId":%q}}}`, keyID))
	if err != nil {
		panic(err)
	}
	return e.Request.Caller
}

// request is a POST with these headers, in pairs.
func request(caller gateway.Caller, body string, headers ...string) *gateway.Request {
	var shelf buffer.Shelf
	b := shelf.Take(len(body))
	b.B = append(b.B[:0], body...)
	req := &gateway.Request{Method: http.MethodPost, Caller: caller, Body: b, Header: http.Header{"Content-Type": {"application/json"}}}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return req
}

// ordered is the body of a request for these uploads, with further members.
func ordered(more string, uploads ...string) string {
	list, _ := json.Marshal(uploads)
	return fmt.Sprintf(`{"pattern":%q,"uploads":%s%s}`, base64.StdEncoding.EncodeToString([]byte(pattern)), list, more)
}

func upload(n int) string { return fmt.Sprintf("%032x", n) }

// reply is an answer, read.
type reply struct {
	status int
	header http.Header
	code   problem.Code
	err    *problem.Error
	batch  string // in the record

	ID, Name, Status, Started, Ended, Error string
	Sheets                                  *batches.Counts
	Answered, Exceptions                    *int
	Results                                 map[string]string
}

func (w *world) post(t *testing.T, req *gateway.Request) reply {
	t.Helper()
	return w.ask(t, func(ctx context.Context) (*gateway.Answer, error) { return w.Post(ctx, req) })
}

func (w *world) get(t *testing.T, caller gateway.Caller, id string) reply {
	t.Helper()
	return w.ask(t, func(ctx context.Context) (*gateway.Answer, error) { return w.Get(ctx, request(caller, ""), id) })
}

func (w *world) remove(t *testing.T, caller gateway.Caller, id string) reply {
	t.Helper()
	return w.ask(t, func(ctx context.Context) (*gateway.Answer, error) { return w.Delete(ctx, request(caller, ""), id) })
}

func (w *world) ask(t *testing.T, do func(context.Context) (*gateway.Answer, error)) (r reply) {
	t.Helper()
	ctx, record := callrecord.With(t.Context())
	answer, err := do(ctx)
	r.batch = record.Batch
	if err != nil {
		r.err = problem.From(err)
		r.code = r.err.Code
		return r
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil || int64(len(body)) != answer.Length {
		t.Fatalf("%d bytes of %d, %v", len(body), answer.Length, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	r.status, r.header = answer.Status, answer.Header
	if r.header.Get("Cache-Control") != "no-store" || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("%v", r.header)
	}
	return r
}
