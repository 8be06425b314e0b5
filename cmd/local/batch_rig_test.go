package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"omr-relay/internal/bucket"
	"omr-relay/internal/problem"
	"omr-relay/internal/sandbox"
)

// batchRelay is a deployed relay as far as batches need one: forms that S3 itself takes,
// batches that go on by a step whenever somebody asks for them, and links to tables in
// S3. It pays for each content once. Waiting costs nothing, and is recorded.
type batchRelay struct {
	*sandbox.Sandbox
	*bucket.Bucket
	url   string
	links *s3.PresignClient

	// answer, if not nil, may answer in the relay's place; the requests are counted by
	// method and path, the ids of batches left out.
	answer func(w http.ResponseWriter, req *http.Request, n int) bool
	// slept, if not nil, is told of each pause, by its number.
	slept func(n int)

	mu      sync.Mutex // guards what follows
	seen    map[string]int
	batches []*fakeBatch
	paid    map[string]int // documents, by their content
	pauses  []time.Duration
	elsewhere,
	noMachine bool // another caller's batch runs; there is no state machine
}

// fakeBatch is one that was ordered.
type fakeBatch struct {
	id, key, status, failure string
	resubmit                 bool
	order                    batchOrder
	steps                    int // until it has ended
	answered, exceptions     int
}

const fakeCaller = "caller"

func newBatchRelayOf(t *testing.T, steps int) *batchRelay {
	t.Helper()
	services, err := sandbox.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = services.Close() })
	r := &batchRelay{Sandbox: services, seen: map[string]int{}, paid: map[string]int{}}
	cfg := services.S3Config()
	r.Bucket = bucket.New(cfg, sandbox.DefaultBucket, 1<<20)
	r.links = s3.NewPresignClient(s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }))
	services.S3.Record(1000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		path := req.URL.Path
		if strings.HasPrefix(path, "/batches/") && !strings.HasSuffix(path, strings.Repeat("0", 32)) {
			path = "/batches/id"
		}
		r.seen[req.Method+" "+path]++
		n, answer := r.seen[req.Method+" "+path], r.answer
		r.mu.Unlock()
		if req.Header.Get("Authorization") != "Bearer "+remoteKey {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if answer == nil || !answer(w, req, n) {
			r.serve(w, req, steps)
		}
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *batchRelay) serve(w http.ResponseWriter, req *http.Request, steps int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch id, named := strings.CutPrefix(req.URL.Path, "/batches/"); {
	case req.URL.Path == "/healthz":
		_, _ = io.WriteString(w, `{"status":"ok"}`)
	case req.URL.Path == "/uploads":
		form, err := r.NewForm(req.Context(), fakeCaller)
		if err != nil {
			panic(err)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"upload": form.Upload, "url": form.URL, "fields": form.Fields})
	case r.noMachine, req.URL.Path != "/batches" && !named:
		refuseWith(w, http.StatusNotFound, problem.RouteNotFound, 0)
	case named:
		for _, b := range r.batches {
			if b.id == id {
				r.step(b)
				r.tell(w, b)
				return
			}
		}
		refuseWith(w, http.StatusNotFound, problem.BatchNotFound, 0)
	default:
		r.start(w, req, steps)
	}
}

func refuseWith(w http.ResponseWriter, status int, code problem.Code, retryAfter int) {
	if retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"code": code, "status": status, "detail": "words of " + string(code)})
}

func (r *batchRelay) start(w http.ResponseWriter, req *http.Request, steps int) {
	b := &fakeBatch{key: req.Header.Get("Idempotency-Key"), resubmit: req.Header.Get("Prefer") == "resubmit", status: batchRunning, steps: steps}
	if err := json.NewDecoder(req.Body).Decode(&b.order); err != nil || b.key == "" {
		refuseWith(w, http.StatusUnprocessableEntity, problem.InvalidInput, 0)
		return
	}
	for _, known := range r.batches {
		if known.key == b.key {
			r.tell(w, known)
			return
		}
	}
	running := r.elsewhere
	for _, other := range r.batches {
		running = running || other.status == batchRunning
	}
	if running {
		refuseWith(w, http.StatusConflict, problem.BatchRunning, 30)
		return
	}
	b.id = fmt.Sprintf("%032x", len(r.batches)+1)
	r.batches = append(r.batches, b)
	w.Header().Set("Location", "batches/"+b.id)
	w.WriteHeader(http.StatusAccepted)
	_, _ = fmt.Fprintf(w, `{"id":%q,"status":"running"}`, b.id)
}

// step goes on with a batch: the sheets are counted, recognized, and merged.
func (r *batchRelay) step(b *fakeBatch) {
	if b.status != batchRunning {
		return
	}
	if b.steps--; b.steps > 0 {
		return
	}
	if b.status = batchSucceeded; b.failure != "" {
		b.status = batchFailed
		return
	}
	var answers, lines, exceptions strings.Builder
	answers.WriteString("image,status,Question1\r\n")
	exceptions.WriteString("image,status,reason\r\n")
	first := map[string]int{}
	for i, u := range b.order.Uploads {
		data, ok := r.S3.Object(bucket.UploadKey(fakeCaller, u.Upload))
		name := u.Name
		switch at, again := first[string(data)]; {
		case !ok:
			answers.WriteString(name + ",unreadable,\r\n")
			exceptions.WriteString(name + ",unreadable,it is not there\r\n")
			b.exceptions++
			continue
		case again:
			_, _ = fmt.Fprintf(&exceptions, "%s,duplicate,the same content as row %d; submitted once\r\n", name, at)
			b.exceptions++
		default:
			first[string(data)] = i + 1
		}
		if r.paid[fmt.Sprintf("%x", sha256.Sum256(data))] == 0 || b.resubmit {
			r.paid[fmt.Sprintf("%x", sha256.Sum256(data))]++
		}
		b.answered++
		answers.WriteString(name + ",Ok,A\r\n")
		_, _ = fmt.Fprintf(&lines, "{\"image\":%q,\"status\":\"Ok\",\"answers\":{\"Question1\":\"A\"}}\n", name)
	}
	for name, text := range map[string]string{"answers.csv": answers.String(), "answers.jsonl": lines.String(), "exceptions.csv": exceptions.String()} {
		r.S3.SetObject("results/"+b.id+"/"+name, []byte(text))
	}
}

func (r *batchRelay) tell(w http.ResponseWriter, b *fakeBatch) {
	state := map[string]any{"id": b.id, "status": b.status, "started": time.Now().UTC().Format(time.RFC3339)}
	switch b.status {
	case batchRunning:
		w.Header().Set("Retry-After", "7")
		total := len(b.order.Uploads)
		done := max(total-b.steps, 0)
		state["sheets"] = map[string]int{"total": total, "done": done, "running": min(total-done, 10), "waiting": 0}
		if b.steps > total {
			state["sheets"] = map[string]int{"total": 0}
		}
	case batchSucceeded:
		links := map[string]string{}
		for _, name := range []string{"answers.csv", "answers.jsonl", "exceptions.csv"} {
			key := "results/" + b.id + "/" + name
			link, err := r.links.PresignGetObject(context.Background(), &s3.GetObjectInput{Bucket: new(sandbox.DefaultBucket), Key: &key})
			if err != nil {
				panic(err)
			}
			links[name] = link.URL
		}
		state["answered"], state["exceptions"], state["results"] = b.answered, b.exceptions, links
	default:
		state["error"] = b.failure
	}
	_ = json.NewEncoder(w).Encode(state)
}

// answers has the relay answer like that from now on; calls may be under way.
func (r *batchRelay) answers(by func(w http.ResponseWriter, req *http.Request, n int) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = by
}

// count is how often a call came.
func (r *batchRelay) count(call string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[call]
}

// payments is how many documents were paid for, and how often at most.
func (r *batchRelay) payments() (documents, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.paid {
		most = max(most, n)
	}
	return len(r.paid), most
}

// uploadsTaken is how many files S3 has taken.
func (r *batchRelay) uploadsTaken() (n int) {
	for _, key := range r.S3.Keys() {
		if strings.HasPrefix(key, "uploads/") {
			n++
		}
	}
	return n
}

// run runs the command with --batch, until it ends or a pause ends ctx.
func (r *batchRelay) run(ctx context.Context, args ...string) output {
	var stdout, stderr bytes.Buffer
	c := console{stdin: strings.NewReader(""), stdout: &stdout, stderr: &lockedWriter{w: &stderr}}
	c.getenv = with(map[string]string{"OMR_RELAY_URL": r.url, "OMR_RELAY_KEY": remoteKey})
	c.sleep = func(ctx context.Context, d time.Duration) bool {
		r.mu.Lock()
		r.pauses = append(r.pauses, d)
		n := len(r.pauses)
		r.mu.Unlock()
		if r.slept != nil {
			r.slept(n)
		}
		return ctx.Err() == nil
	}
	status := runOn(ctx, append([]string{"local", "recognize", "--pattern", patternFile, "--batch"}, args...), c)
	return output{status, stdout.String(), stderr.String()}
}
