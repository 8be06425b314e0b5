// Package lambdaruntimetest serves the Lambda Runtime API to a function's bootstrap,
// so that tests and benchmarks can run the very binary that is deployed:
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
package lambdaruntimetest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const prefix = "/2018-06-01/runtime/"

// Server hands invocations to the one bootstrap that polls it. It is safe for
// concurrent use.
type Server struct {
	http     *http.Server
	listener net.Listener
	queue    chan *invocation
	polled   chan struct{}
	once     sync.Once

	mu      sync.Mutex // guards what follows
	serial  int
	running map[string]*invocation
}

type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	arriving io.Writer
	result   chan Result
}

// Result is what the function returned.
type Result struct {
	Payload []byte
	// Failed is set when the function returned an error; Payload describes it.
	Failed bool
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

// Close ends the API, and waiting polls with it.
func (s *Server) Close() error { return s.http.Close() }

// Invoke has the function serve payload within timeout and returns what it
// answered. It blocks until then, or until ctx ends: it does not enforce the
// timeout, so that a test can see one overrun.
func (s *Server) Invoke(ctx context.Context, payload []byte, timeout time.Duration) (Result, error) {
	return s.Stream(ctx, payload, timeout, io.Discard)
}

// Stream is Invoke that writes the answer to w as it arrives.
func (s *Server) Stream(ctx context.Context, payload []byte, timeout time.Duration, w io.Writer) (Result, error) {
	s.mu.Lock()
	s.serial++
	inv := &invocation{
		id:       fmt.Sprintf("00000000-0000-4000-8000-%012d", s.serial),
		payload:  payload,
		deadline: time.Now().Add(timeout),
		arriving: w,
		result:   make(chan Result, 1),
	}
	s.running[inv.id] = inv
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.running, inv.id)
		s.mu.Unlock()
	}()
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
	select {
	case inv = <-s.queue:
	case <-r.Context().Done():
		return
	}
	h := w.Header()
	h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:123456789012:function:omr-relay:live")
	h.Set("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000")
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(inv.payload)))
	_, _ = w.Write(inv.payload)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, id string, failed bool) {
	s.mu.Lock()
	inv := s.running[id]
	s.mu.Unlock()
	result, err := read(inv, r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	result.Failed = failed
	inv.result <- result
	w.WriteHeader(http.StatusAccepted)
}

func read(inv *invocation, r *http.Request) (Result, error) {
	if inv == nil {
		return Result{}, errors.New("no such invocation")
	}
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
