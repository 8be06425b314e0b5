// Package lambdaruntimetest serves the Lambda Runtime API to a function's bootstrap,
// so that tests can run the very binary that is deployed:
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
//
// What goes over the wire is what AWS's own code sends, which is public as
// rapi/rendering and rapi/handler in
// https://github.com/aws/aws-lambda-runtime-interface-emulator: an event has no
// length unless it is small, and an answer is taken once and up to 6 MB.
package lambdaruntimetest

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const prefix = "/2018-06-01/runtime/"

// maxPayload is the size of the largest event, and of the largest answer that is
// not streamed.
const maxPayload = 6<<20 + 100

// Server hands invocations to the one bootstrap that polls it. It is safe for
// concurrent use.
type Server struct {
	// ChunkSize has events arrive in chunks of that many bytes. 0 is how AWS
	// sends them: in one, or with a length if they have 2 KB at most. It is set
	// before the first invocation.
	ChunkSize int

	http     *http.Server
	listener net.Listener
	queue    chan *invocation
	polled   chan struct{}
	once     sync.Once
	waiting  atomic.Int32

	mu      sync.Mutex // guards what follows
	serial  int
	running map[string]*invocation
}

type invocation struct {
	id       string
	event    Event
	deadline string
	arriving io.Writer
	result   chan Result
}

// Event is an invocation with all that the API tells of it.
type Event struct {
	Payload []byte
	// Timeout is the function's.
	Timeout time.Duration
	// TraceID is X-Ray's header; empty is one that is not sampled.
	TraceID string
	// TenantID is set if the function is isolated by tenants.
	TenantID string
	// ClientContext and CognitoIdentity are JSON, of callers that sent them.
	ClientContext, CognitoIdentity string
	// NoDeadline leaves the deadline out, as AWS does when it fails to compute one.
	NoDeadline bool
}

// Result is what the function returned.
type Result struct {
	Payload []byte
	// Failed is set when the function returned an error; Payload describes it.
	Failed bool
	// Cause is what the function told X-Ray of an error.
	Cause string
	// Streamed is the content type of an answer that was streamed.
	Streamed string
	// Broken describes the error by which the function broke a stream off.
	Broken []byte
}

// Start serves the API on a free loopback port.
func Start() (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening on loopback: %w", err)
	}
	s := &Server{listener: l, queue: make(chan *invocation), polled: make(chan struct{}), running: map[string]*invocation{}}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.http.Serve(l) }()
	return s, nil
}

// Addr is the value for AWS_LAMBDA_RUNTIME_API.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Polled is closed when the bootstrap first asks for an invocation: its init
// is over.
func (s *Server) Polled() <-chan struct{} { return s.polled }

// Waiting is how many polls there are that have got no invocation yet.
func (s *Server) Waiting() int { return int(s.waiting.Load()) }

// Close ends the API, and waiting polls with it.
func (s *Server) Close() error { return s.http.Close() }

// Invoke has the function serve payload within timeout and returns what it
// answered. It blocks until then, or until ctx ends: it does not enforce the
// timeout, so that a test can see one overrun.
func (s *Server) Invoke(ctx context.Context, payload []byte, timeout time.Duration) (Result, error) {
	return s.Send(ctx, Event{Payload: payload, Timeout: timeout}, io.Discard)
}

// Stream is Invoke that writes the answer to w as it arrives.
func (s *Server) Stream(ctx context.Context, payload []byte, timeout time.Duration, w io.Writer) (Result, error) {
	return s.Send(ctx, Event{Payload: payload, Timeout: timeout}, w)
}

// Send is Stream of an event with more to it.
func (s *Server) Send(ctx context.Context, event Event, w io.Writer) (Result, error) {
	inv := s.register(event, w)
	defer s.forget(inv)
	select {
	case s.queue <- inv:
	case <-ctx.Done():
		return Result{}, fmt.Errorf("waiting for the function to poll: %w", ctx.Err())
	}
	select {
	case result := <-inv.result:
		return result, nil
	case <-ctx.Done():
		return Result{}, fmt.Errorf("waiting for the function to answer: %w", ctx.Err())
	}
}

func (s *Server) register(event Event, w io.Writer) *invocation {
	inv := &invocation{event: event, arriving: w, result: make(chan Result, 1)}
	if !event.NoDeadline {
		inv.deadline = strconv.FormatInt(time.Now().Add(event.Timeout).UnixMilli(), 10)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	inv.id = fmt.Sprintf("00000000-0000-4000-8000-%012d", s.serial)
	s.running[inv.id] = inv
	return inv
}

func (s *Server) forget(inv *invocation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, inv.id)
}

// ServeHTTP implements [http.Handler] for the bootstrap.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, prefix+"invocation/")
	id, verb, _ := strings.Cut(path, "/")
	switch {
	case ok && r.Method == http.MethodGet && path == "next":
		s.next(w, r)
	case ok && r.Method == http.MethodPost && (verb == "response" || verb == "error"):
		s.answer(w, r, id, verb == "error")
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) next(w http.ResponseWriter, r *http.Request) {
	s.once.Do(func() { close(s.polled) })
	var inv *invocation
	s.waiting.Add(1)
	select {
	case inv = <-s.queue:
	case <-r.Context().Done():
	}
	s.waiting.Add(-1)
	if inv == nil {
		return // the bootstrap has hung up
	}
	trace := inv.event.TraceID
	if trace == "" {
		trace = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0;Lineage=1:8f2b9c1d:0"
	}
	for name, value := range map[string]string{
		"Lambda-Runtime-Aws-Request-Id":       inv.id,
		"Lambda-Runtime-Trace-Id":             trace,
		"Lambda-Runtime-Client-Context":       inv.event.ClientContext,
		"Lambda-Runtime-Cognito-Identity":     inv.event.CognitoIdentity,
		"Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:123456789012:function:omr-relay:live",
		"Lambda-Runtime-Deadline-Ms":          inv.deadline,
		"Lambda-Runtime-Aws-Tenant-Id":        inv.event.TenantID,
	} {
		if value != "" {
			w.Header().Set(name, value)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	s.write(w, inv.event.Payload)
}

// write names no length, as AWS does not; net/http counts what fits into its
// buffer of 2 KB.
func (s *Server) write(w http.ResponseWriter, payload []byte) {
	if s.ChunkSize == 0 {
		_, _ = w.Write(payload)
		return
	}
	for piece := range slices.Chunk(payload, s.ChunkSize) {
		_, _ = w.Write(piece)
		_ = http.NewResponseController(w).Flush() // ends the chunk
	}
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, id string, failed bool) {
	s.mu.Lock()
	inv := s.running[id]
	delete(s.running, id) // it is answered once
	s.mu.Unlock()
	if inv == nil {
		reply(w, http.StatusBadRequest, `{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}`)
		return
	}
	result, err := read(inv, r)
	switch {
	case err != nil:
		reply(w, http.StatusBadRequest, `{"errorMessage":"HTTP request detected as truncated","errorType":"TruncatedHTTPRequest"}`)
		return
	case !failed && result.Streamed == "" && len(result.Payload) > maxPayload:
		inv.result <- Result{Failed: true, Payload: []byte(`{"errorType":"Function.ResponseSizeTooLarge"}`)}
		reply(w, http.StatusRequestEntityTooLarge, `{"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).","errorType":"RequestEntityTooLarge"}`)
		return
	}
	result.Failed, result.Cause = failed, r.Header.Get("Lambda-Runtime-Function-Xray-Error-Cause")
	inv.result <- result
	reply(w, http.StatusAccepted, `{"status":"OK"}`)
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body+"\n")
}

func read(inv *invocation, r *http.Request) (Result, error) {
	var result Result
	if r.Header.Get("Lambda-Runtime-Function-Response-Mode") == "streaming" {
		result.Streamed = r.Header.Get("Content-Type")
	}
	var err error
	if result.Payload, err = io.ReadAll(io.TeeReader(r.Body, inv.arriving)); err != nil {
		return Result{}, err
	}
	// Trailers are known when the body has been read.
	if r.Trailer.Get("Lambda-Runtime-Function-Error-Type") != "" {
		result.Broken, err = base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
	}
	return result, err
}
