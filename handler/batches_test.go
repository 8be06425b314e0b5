package handler_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"omr-relay/handler"
	"omr-relay/handler/batches"
	"omr-relay/internal/problem"
)

// shelf is a bucket in memory, of a machine that runs nothing.
type shelf struct {
	objects map[string][]byte
	started []string
	fail    error // of the machine
}

func (s *shelf) Read(_ context.Context, key string) (io.ReadCloser, int64, error) {
	data, ok := s.objects[key]
	if !ok {
		return nil, 0, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(data)), int64(len(data)), nil
}

func (s *shelf) Write(_ context.Context, key string, body io.ReadSeeker, _ string) (err error) {
	s.objects[key], err = io.ReadAll(body)
	return err
}

func (s *shelf) Create(ctx context.Context, key string, body io.ReadSeeker, contentType string) (bool, error) {
	return true, s.Write(ctx, key, body, contentType)
}

func (s *shelf) Link(_ context.Context, key, _ string) (string, error) {
	return "https://bucket.test/" + key + "?X-Amz-Signature=canary-signature", nil
}

func (s *shelf) Start(_ context.Context, name, _ string) error {
	s.started = append(s.started, name)
	return s.fail
}

func (s *shelf) Describe(context.Context, string) (batches.Execution, bool, error) {
	return batches.Execution{Status: batches.Succeeded, Started: time.Now(), Ended: time.Now(), Output: `{"sheets":1,"answered":1}`}, len(s.started) > 0, s.fail
}

func (s *shelf) Stop(context.Context, string) error            { return s.fail }
func (s *shelf) Earliest(context.Context) (string, error)      { return "", s.fail }
func (s *shelf) Erase(context.Context, string, string) error   { return s.fail }
func (s *shelf) Erasing(context.Context, string) (bool, error) { return false, s.fail }
func (s *shelf) config(maxSheets int) (cfg handler.Config) {
	return handler.Config{Relay: roundTrip(nil), Batches: &batches.Config{MaxSheets: maxSheets, Store: s, Machine: s}}
}

const batchPattern = `"eyJQYWdlcyI6W3siRWxlbWVudHMiOltdfV19"`

// TestBatches: from the order to the end, for either kind of event; and nothing of what
// people named, nor a link or a key, is in the log, while the batch's id is.
func TestBatches(t *testing.T) {
	for kind := range eachKind("", "") {
		s := &shelf{objects: map[string][]byte{}}
		f := fixtureOf(s.config(10))
		const body = `{"pattern":` + batchPattern + `,"uploads":[{"upload":"0123456789abcdef0123456789abcdef","name":"canary-Anna.jpg"}],"name":"canary-7b"}`
		r := invoke(t, f, eachKind(http.MethodPost, "/batches")[kind].withBody(body).withHeaders("Content-Type", "application/json", "Idempotency-Key", "canary-key"))
		id := strings.TrimPrefix(r.Headers["Location"], "batches/")
		if r.StatusCode != http.StatusAccepted || len(id) != 32 || len(s.started) != 1 || len(s.objects) != 2 {
			t.Fatalf("%s: %d %v %s", kind, r.StatusCode, r.Headers, r.body)
		}
		r = invoke(t, f, eachKind(http.MethodGet, "/batches/"+id)[kind])
		if r.StatusCode != http.StatusOK || !strings.Contains(string(r.body), `results/answers.csv?X-Amz-Signature=canary-signature"`) || !strings.Contains(string(r.body), `"name":"canary-7b"`) {
			t.Errorf("%s: %d %s", kind, r.StatusCode, r.body)
		}
		r = invoke(t, f, eachKind(http.MethodDelete, "/batches/"+id)[kind])
		if r.StatusCode != http.StatusAccepted || !strings.Contains(string(r.body), `"status":"erasing"`) {
			t.Errorf("%s: %d %s", kind, r.StatusCode, r.body)
		}
		r = invoke(t, f, eachKind(http.MethodGet, "/batches/canary-"+id)[kind])
		wantProblem(t, r, http.StatusNotFound, "batch_not_found")
		log := f.out.String()
		if strings.Contains(log, "canary") || strings.Contains(log, "0123456789abcdef") || strings.Count(log, `"batch":"`+id+`"`) != 3 ||
			!strings.Contains(log, `"route":"/batches",`) || !strings.Contains(log, `"route":"/batches/{id}",`) {
			t.Errorf("%s: logged %s", kind, log)
		}
		f.none(t)
	}
}

// TestBatchProblems: the machine's failures are the caller's to repeat, and ours to
// mend.
func TestBatchProblems(t *testing.T) {
	s := &shelf{objects: map[string][]byte{}, fail: &problem.Error{Code: problem.BatchesUnavailable, Detail: "No.", RetryAfter: 5 * time.Second, Err: errors.New(canary)}}
	f := fixtureOf(s.config(10))
	r := invoke(t, f, restEvent(http.MethodPost, "/batches").withHeaders("Content-Type", "application/json").withBody(`{"pattern":`+batchPattern+`,"prefix":"a/"}`))
	wantProblem(t, r, http.StatusServiceUnavailable, "batches_unavailable")
	if r.Headers["Retry-After"] != "5" || !strings.Contains(f.out.String(), `"level":"ERROR"`) || strings.Contains(string(r.body)+f.out.String(), canary) {
		t.Errorf("%v %s\n%s", r.Headers, r.body, f.out.String())
	}
	for path, allow := range map[string]string{"/batches": "POST", "/batches/x": "GET, DELETE"} {
		if r := invoke(t, f, restEvent(http.MethodPut, path)); r.StatusCode != http.StatusMethodNotAllowed || r.Headers["Allow"] != allow {
			t.Errorf("PUT %s: %d %v", path, r.StatusCode, r.Headers)
		}
	}
}

// Without a state machine there is no such route, and it says how there would be.
func TestNoBatches(t *testing.T) {
	for _, e := range []event{restEvent(http.MethodPost, "/batches"), restEvent(http.MethodGet, "/batches/x"), restEvent(http.MethodDelete, "/batches/x")} {
		r := invoke(t, newFixture(nil), e)
		if p := wantProblem(t, r, http.StatusNotFound, "route_not_found"); !strings.Contains(p.Detail, "Scans=create") {
			t.Errorf("%s", r.body)
		}
	}
}

// TestManyUploadsFit: docs/callers.md says that as many fit into an event.
func TestManyUploadsFit(t *testing.T) {
	const many = 60_000
	var body strings.Builder
	body.WriteString(`{"pattern":` + batchPattern + `,"uploads":[`)
	for i := range many {
		if i > 0 {
			body.WriteString(",")
		}
		fmt.Fprintf(&body, `{"upload":"%032x","name":"scan-%05d.jpg"}`, i, i)
	}
	body.WriteString("]}")
	s := &shelf{objects: map[string][]byte{}}
	f := fixtureOf(s.config(100_000))
	e := restEvent(http.MethodPost, "/batches").withHeaders("Content-Type", "application/json").withBody(body.String())
	if r := invoke(t, f, e); r.StatusCode != http.StatusAccepted || len(s.started) != 1 {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	if size := len(e.payload()); size > 5<<20 {
		t.Errorf("an event of %d bytes leaves no room for a pattern", size)
	}
}
