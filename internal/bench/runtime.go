package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// runtimeAPI serves the Lambda Runtime API to one bootstrap, with as little
// work of its own as will do: prepared answers, one write, no allocation that
// grows with the payload.
//
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
type runtimeAPI struct {
	listener net.Listener
	polls    chan time.Time // one for each poll, when it had been read
	events   chan []byte
	results  chan result
	gone     chan struct{} // closed by whoever runs the function when it has exited
	buffer   []byte        // for the answer
}

var errExited = errors.New("the process has exited")

// result is a function's answer to one event.
type result struct {
	payload   []byte    // valid until the next event
	handedOut time.Time // just before the event's first byte left
	answered  time.Time // when the answer's last byte had been read
	failed    bool      // the function returned an error; payload describes it
	err       error
}

// maxAnswer is above Lambda's 6 MB, so that an answer too large is seen.
const maxAnswer = 8 << 20

func newRuntimeAPI() (*runtimeAPI, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening on loopback: %w", err)
	}
	a := &runtimeAPI{
		listener: l,
		polls:    make(chan time.Time, 1),
		events:   make(chan []byte),
		results:  make(chan result, 1),
		gone:     make(chan struct{}),
		buffer:   make([]byte, maxAnswer),
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go a.serve(conn)
		}
	}()
	return a, nil
}

// addr is the value for AWS_LAMBDA_RUNTIME_API.
func (a *runtimeAPI) addr() string { return a.listener.Addr().String() }

// close ends the API. A connection ends with its process.
func (a *runtimeAPI) close() { _ = a.listener.Close() }

// ready waits for the function's next poll and returns when it came.
func (a *runtimeAPI) ready(ctx context.Context) (time.Time, error) {
	select {
	case at := <-a.polls:
		return at, nil
	case r := <-a.results:
		return time.Time{}, fmt.Errorf("an answer that nobody asked for: %.300s", r.payload)
	case <-a.gone:
		return time.Time{}, errExited
	case <-ctx.Done():
		return time.Time{}, fmt.Errorf("waiting for a poll: %w", ctx.Err())
	}
}

// invoke hands the event to the function, whose poll ready has returned, and
// waits for its answer.
func (a *runtimeAPI) invoke(ctx context.Context, event []byte) (result, error) {
	select {
	case a.events <- event:
	case <-a.gone:
		return result{}, errExited
	case <-ctx.Done():
		return result{}, fmt.Errorf("handing out the event: %w", ctx.Err())
	}
	select {
	case r := <-a.results:
		if r.failed {
			return r, fmt.Errorf("the function failed: %.300s", r.payload)
		}
		return r, r.err
	case <-a.gone:
		return result{}, errExited
	case <-ctx.Done():
		return result{}, fmt.Errorf("waiting for the answer: %w", ctx.Err())
	}
}

func (a *runtimeAPI) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 16<<10)
	var began time.Time
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return // the process has ended, or closed an idle connection
		}
		switch {
		case strings.HasSuffix(req.URL.Path, "/invocation/next"):
			a.polls <- time.Now()
			event := <-a.events
			parts := onWire(event)
			began = time.Now()
			if _, err := parts.WriteTo(conn); err != nil {
				a.results <- result{err: err}
				return
			}
		default:
			r := result{handedOut: began, failed: !strings.HasSuffix(req.URL.Path, "/response")}
			r.payload, r.err = readInto(a.buffer, req.Body)
			r.answered = time.Now()
			a.results <- r
			if _, err := io.WriteString(conn, accepted); err != nil {
				return
			}
		}
	}
}

const accepted = "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"status\":\"OK\"}"

// invocationTimeout is the function's deadline: far beyond what any of the
// scenarios takes.
const invocationTimeout = time.Minute

// onWire is an event as AWS sends it: without a length, in one chunk, unless it
// fits into the 2 KB that Go's HTTP server holds back.
func onWire(event []byte) net.Buffers {
	const counted = 2 << 10
	length, end := "Transfer-Encoding: chunked\r\n\r\n"+strconv.FormatInt(int64(len(event)), 16)+"\r\n", "\r\n0\r\n\r\n"
	if len(event) <= counted {
		length, end = "Content-Length: "+strconv.Itoa(len(event))+"\r\n\r\n", ""
	}
	head := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\n"+
		"Content-Type: application/json\r\n"+
		"Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n"+
		"Lambda-Runtime-Deadline-Ms: %d\r\n"+
		"Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-central-1:123456789012:function:omr-relay\r\n"+
		"Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0;Lineage=1:8f2b9c1d:0\r\n"+
		"%s", time.Now().Add(invocationTimeout).UnixMilli(), length)
	return net.Buffers{head, event, []byte(end)}
}

// readInto reads all of r into buffer and returns the part that was filled.
func readInto(buffer []byte, r io.Reader) ([]byte, error) {
	n := 0
	for n < len(buffer) {
		read, err := r.Read(buffer[n:])
		n += read
		if errors.Is(err, io.EOF) {
			return buffer[:n], nil
		}
		if err != nil {
			return buffer[:n], err
		}
	}
	return buffer[:n], fmt.Errorf("more than %d bytes", len(buffer))
}
