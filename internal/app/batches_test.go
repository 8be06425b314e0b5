package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"omr-relay/internal/app"
	"omr-relay/internal/sandbox"
)

// stack is a relay with a bucket and a state machine, on sockets.
type stack struct {
	t      *testing.T
	relay  *app.Relay
	s3     *sandbox.S3
	states *sandbox.StepFunctions
	log    bytes.Buffer
}

func newStack(t *testing.T) *stack {
	t.Helper()
	sb, cfg := start(t)
	s := &stack{t: t, s3: sb.S3, states: &sandbox.StepFunctions{}}
	server := httptest.NewServer(s.states)
	t.Cleanup(server.Close)
	machine, bucket := sb.AWSConfig(), sb.S3Config()
	machine.BaseEndpoint = aws.String(server.URL)
	cfg.Bucket, cfg.MaxUpload, cfg.StateMachine, cfg.MaxSheets = sandbox.DefaultBucket, 1<<20, sandbox.DefaultStateMachine, 100
	s.relay = app.New(cfg, app.Options{AWS: sb.AWSConfig(), Bucket: &bucket, Machine: &machine, Log: &s.log})
	return s
}

// answered is an answer's status, headers and body.
type answered struct {
	StatusCode int
	Headers    map[string]string
	Body       string

	ID, Error            string
	Status               any // of a problem, its number
	Answered, Exceptions int
	Sheets               struct{ Total, Done, Running, Waiting int }
	Results              map[string]string
	Code                 string
}

// ask sends a request of a caller's, by the id of its key.
func (s *stack) ask(caller, method, path, body, key string) (a answered) {
	s.t.Helper()
	headers := map[string]string{"Content-Type": "application/json"}
	if key != "" {
		headers["Idempotency-Key"] = key
	}
	event, _ := json.Marshal(map[string]any{
		"httpMethod": method, "path": path, "headers": headers, "body": body,
		"requestContext": map[string]any{"stage": "prod", "identity": map[string]any{"apiKeyId": caller}},
	})
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	out, err := s.relay.Handler.Invoke(ctx, event)
	if err == nil {
		err = json.Unmarshal(out, &a)
	}
	if err == nil {
		err = json.Unmarshal([]byte(a.Body), &a)
	}
	if err != nil {
		s.t.Fatalf("%v in %s", err, out)
	}
	return a
}

// TestBatch goes from the order to the end, as S3 and Step Functions see it.
func TestBatch(t *testing.T) {
	s := newStack(t)
	const upload = "0123456789abcdef0123456789abcdef"
	const order = `{"pattern":"eyJQYWdlcyI6W3siRWxlbWVudHMiOltdfV19","uploads":[{"upload":"` + upload + `","name":"Anna Müller.jpg"}],"name":"Klasse 7b"}`
	first := s.ask("key-1", "POST", "/batches", order, "exam 7b")
	if first.StatusCode != http.StatusAccepted || first.Headers["Location"] != "batches/"+first.ID {
		t.Fatalf("%+v", first)
	}
	names, inputs := s.states.Executions()
	if len(names) != 1 || !strings.HasSuffix(names[0], "-"+first.ID) {
		t.Fatalf("started %q", names)
	}
	prefix := "batches/" + strings.Replace(names[0], "-", "/", 1) + "/"
	if inputs[0] != `{"prefix":"`+prefix+`"}` {
		t.Errorf("given %s", inputs[0])
	}
	stored, ok := s.s3.Object(prefix + "order.json")
	if !ok || !strings.Contains(string(stored), `"uploads":[{"upload":"`+upload+`","name":"Anna Müller.jpg"}]}`) {
		t.Errorf("ordered %s", stored)
	}
	again := s.ask("key-1", "POST", "/batches", order, "exam 7b")
	if again.StatusCode != http.StatusAccepted || again.ID != first.ID || again.Status != "running" {
		t.Errorf("again: %+v", again)
	}
	if r := s.ask("key-1", "POST", "/batches", strings.Replace(order, "7b", "7c", 1), "exam 7b"); r.Code != "idempotency_key_reused" {
		t.Errorf("another request: %+v", r)
	}
	if r := s.ask("key-2", "POST", "/batches", order, "exam 7b"); r.Code != "batch_running" || r.Headers["Retry-After"] != "30" {
		t.Errorf("another caller's: %+v", r)
	}
	s.states.Progress(names[0], sandbox.MapCounts{Total: 9, Pending: 3, Running: 2, Succeeded: 3, Failed: 1})
	if r := s.ask("key-1", "GET", "/batches/"+first.ID, "", ""); r.Status != "running" || r.Sheets != struct{ Total, Done, Running, Waiting int }{9, 4, 2, 3} {
		t.Errorf("half way: %+v", r)
	}
	if r := s.ask("key-2", "GET", "/batches/"+first.ID, "", ""); r.Code != "batch_not_found" {
		t.Errorf("another caller: %+v", r)
	}
	s.s3.SetObject(prefix+"results/answers.csv", []byte("image,status\r\n"))
	s.states.Finish(names[0], `{"sheets":9,"answered":8,"exceptions":1}`)
	r := s.ask("key-1", "GET", "/batches/"+first.ID, "", "")
	if r.Status != "succeeded" || r.Answered != 8 || r.Exceptions != 1 || len(r.Results) != 3 {
		t.Fatalf("in the end: %+v", r)
	}
	follow(t, r.Results["answers.csv"])
	if r := s.ask("key-2", "DELETE", "/batches/"+first.ID, "", ""); r.Code != "batch_not_found" {
		t.Errorf("another caller: %+v", r)
	}
	for range 2 {
		if r := s.ask("key-1", "DELETE", "/batches/"+first.ID, "", ""); r.StatusCode != http.StatusAccepted || r.Status != "erasing" {
			t.Errorf("its end: %+v", r)
		}
	}
	names, inputs = s.states.Executions()
	if len(names) != 2 || names[1] != "erase-"+names[0] || inputs[1] != `{"prefix":"`+prefix+`","erase":true}` {
		t.Errorf("started %q with %q", names, inputs)
	}
	s.s3.RemoveObject(prefix + "order.json")
	if r := s.ask("key-1", "GET", "/batches/"+first.ID, "", ""); r.Code != "batch_not_found" {
		t.Errorf("erased: %+v", r)
	}
	if r := s.ask("key-1", "POST", "/batches", order, "exam 7b"); r.Code != "idempotency_key_reused" {
		t.Errorf("its key: %+v", r)
	}
	for _, secret := range []string{"Anna", "Müller", "7b", upload, "X-Amz-Signature", prefix, "image,status"} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log has %q: %s", secret, &s.log)
		}
	}
	if !strings.Contains(s.log.String(), `"batch":"`+first.ID+`"`) {
		t.Errorf("the log lacks the batch: %s", &s.log)
	}
}

// follow downloads by a link, which is for five minutes.
func follow(t *testing.T, link string) {
	t.Helper()
	if !strings.Contains(link, "X-Amz-Expires=300&") {
		t.Errorf("the link %s", link)
	}
	resp, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != "image,status\r\n" || resp.Header.Get("Content-Disposition") != `attachment; filename="answers.csv"` {
		t.Errorf("%s %v %q, %v", resp.Status, resp.Header, body, err)
	}
}

// TestBatchStopped: one of somebody who works in AWS itself keeps others waiting, and
// one of a caller's is stopped.
func TestBatchStopped(t *testing.T) {
	s := newStack(t)
	const order = `{"pattern":"eyJQYWdlcyI6W3siRWxlbWVudHMiOltdfV19","prefix":"7b/"}`
	s.states.Start("by-hand", `{"prefix":"batches/7b/"}`)
	if r := s.ask("key-1", "POST", "/batches", order, ""); r.Code != "batch_running" || len(s.s3.Keys()) != 0 {
		t.Errorf("%+v, stored %q", r, s.s3.Keys())
	}
	s.states.Break("by-hand", "NoScans", "")
	r := s.ask("key-1", "POST", "/batches", order, "")
	if r.StatusCode != http.StatusAccepted {
		t.Fatalf("%+v", r)
	}
	if d := s.ask("key-1", "DELETE", "/batches/"+r.ID, "", ""); d.StatusCode != http.StatusAccepted || d.Status != "stopped" || d.Headers["Retry-After"] != "900" {
		t.Errorf("%+v", d)
	}
	if g := s.ask("key-1", "GET", "/batches/"+r.ID, "", ""); g.Status != "stopped" || g.Error != "Stopped" || g.Results != nil {
		t.Errorf("%+v", g)
	}
	if d := s.ask("key-1", "DELETE", "/batches/"+r.ID, "", ""); d.Status != "stopped" {
		t.Errorf("repeated: %+v", d)
	}
}

// TestBatchUnavailable: nothing that Step Functions says shows.
func TestBatchUnavailable(t *testing.T) {
	s := newStack(t)
	s.states.Respond(func(w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"__type":"AccessDeniedException","message":"canary %s"}`, r.Header.Get("Authorization"))
		return true
	})
	r := s.ask("key-1", "POST", "/batches", `{"pattern":"eyJQYWdlcyI6W3siRWxlbWVudHMiOltdfV19","prefix":"7b/"}`, "k")
	if r.StatusCode != http.StatusServiceUnavailable || r.Code != "batches_unavailable" || r.Headers["Retry-After"] != "30" {
		t.Errorf("%+v", r)
	}
	if text := r.Body + s.log.String(); strings.Contains(text, "canary") || !strings.Contains(text, "Step Functions denies access: AccessDeniedException") {
		t.Errorf("%s", text)
	}
}

// Without a state machine there are no batches, bucket or not.
func TestBucketWithoutBatches(t *testing.T) {
	sb, cfg := start(t)
	bucket := sb.S3Config()
	cfg.Bucket = sandbox.DefaultBucket
	s := &stack{t: t, relay: app.New(cfg, app.Options{AWS: sb.AWSConfig(), Bucket: &bucket})}
	if r := s.ask("key-1", "POST", "/batches", "{}", ""); r.StatusCode != http.StatusNotFound || r.Code != "route_not_found" {
		t.Errorf("%+v", r)
	}
}
