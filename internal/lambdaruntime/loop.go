package lambdaruntime

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// loop is one connection to the Runtime API with its buffers, which are kept
// from one invocation to the next.
type loop struct {
	addr    string
	handler Handler

	mu   sync.Mutex // guards conn against interrupt
	conn net.Conn   // nil before it is needed and after it broke
	done bool       // interrupted: dial no more

	in      *bufio.Reader
	head    []byte
	payload []byte
}

// invocation is an event with what the API tells of it.
type invocation struct {
	id       string
	function string
	deadline time.Time
	payload  []byte
}

func newLoop(addr string, h Handler) *loop { return &loop{addr: addr, handler: h} }

// next blocks until there is an event.
func (l *loop) next(ctx context.Context) (invocation, error) {
	l.head = append(l.head[:0], "GET "+path+"next HTTP/1.1\r\nHost: "+l.addr+"\r\nUser-Agent: omr-relay\r\n\r\n"...)
	resp, err := l.roundTrip(ctx, &http.Request{Method: http.MethodGet}, nil)
	if err != nil {
		return invocation{}, err
	}
	if err := l.readPayload(resp); err != nil {
		return invocation{}, fmt.Errorf("reading the event: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return invocation{}, fmt.Errorf("the Runtime API answered %d", resp.StatusCode)
	}
	ms, err := strconv.ParseInt(resp.Header.Get("Lambda-Runtime-Deadline-Ms"), 10, 64)
	if err != nil {
		return invocation{}, errors.New("the Runtime API named no deadline")
	}
	return invocation{
		id:       resp.Header.Get("Lambda-Runtime-Aws-Request-Id"),
		function: resp.Header.Get("Lambda-Runtime-Invoked-Function-Arn"),
		deadline: time.UnixMilli(ms),
		payload:  l.payload,
	}, nil
}

const path = "/2018-06-01/runtime/invocation/"

// readPayload reads the event into the buffer, which grows to its exact size.
func (l *loop) readPayload(resp *http.Response) error {
	defer resp.Body.Close()
	n := resp.ContentLength
	if n < 0 {
		var err error
		l.payload, err = io.ReadAll(resp.Body)
		return err
	}
	if int64(cap(l.payload)) < n {
		l.payload = make([]byte, n)
	}
	l.payload = l.payload[:n]
	_, err := io.ReadFull(resp.Body, l.payload)
	return err
}

// serve has the handler answer and sends what it answers.
func (l *loop) serve(ctx context.Context, inv invocation) error {
	invoked, cancel := inv.context(ctx)
	defer cancel()
	answer, err := l.handler(invoked, inv.payload)
	if err != nil {
		return l.post(ctx, inv.id, "/error", "application/json", functionError(err))
	}
	whole, ok := answer.Whole()
	if !ok {
		return l.stream(ctx, inv, answer)
	}
	err = l.post(ctx, inv.id, "/response", answer.ContentType(), whole)
	answer.Done(err)
	return err
}

// post sends an answer, or what took its place, in one piece.
func (l *loop) post(ctx context.Context, id, verb, contentType string, body []byte) error {
	l.beginPost(id, verb, contentType)
	l.head = append(l.head, "Content-Length: "...)
	l.head = strconv.AppendInt(l.head, int64(len(body)), 10)
	l.head = append(l.head, "\r\n\r\n"...)
	resp, err := l.roundTrip(ctx, &http.Request{Method: http.MethodPost}, body)
	if err != nil {
		return err
	}
	return accepted(resp)
}

// stream sends an answer as it comes by.
func (l *loop) stream(ctx context.Context, inv invocation, answer Response) error {
	out := &stream{
		loop: l, id: inv.id, contentType: answer.ContentType(), deadline: inv.writingEnds(),
		dial: func() (net.Conn, bool, error) { return l.connect(ctx) },
	}
	_, err := answer.WriteTo(out)
	if out.broken() {
		// The answer may be too large for whoever called; whether the API is still
		// there, the next poll tells, on another connection: this one is in the
		// middle of a request.
		l.close()
		answer.Done(out.err)
		return nil
	}
	var failed error
	switch {
	case out.begun:
		failed = out.end(err)
	case err != nil:
		failed = l.post(ctx, inv.id, "/error", "application/json", functionError(err))
	default:
		failed = l.post(ctx, inv.id, "/response", answer.ContentType(), nil)
	}
	answer.Done(failed)
	return failed
}

// beginPost puts the beginning of a request about the invocation into l.head.
func (l *loop) beginPost(id, verb, contentType string) {
	l.head = append(l.head[:0], "POST "+path+id+verb+" HTTP/1.1\r\nHost: "+l.addr+
		"\r\nUser-Agent: omr-relay\r\nContent-Type: "+contentType+"\r\n"...)
}

// accepted reads the API's answer to an answer. One that is too large is for
// Lambda to report; it ends nothing here.
func accepted(resp *http.Response) error {
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted && resp.StatusCode != http.StatusRequestEntityTooLarge {
		return fmt.Errorf("the Runtime API answered %d", resp.StatusCode)
	}
	_, err := io.Copy(io.Discard, resp.Body)
	return err
}

// context is the invocation's own, with its deadline and what the API tells of it.
func (inv invocation) context(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: inv.id, InvokedFunctionArn: inv.function})
	return context.WithDeadline(ctx, inv.deadline)
}

// functionError is what Lambda shows of an error.
func functionError(err error) []byte {
	text, _ := json.Marshal(struct { // two strings
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}{err.Error(), errorType(err)})
	return text
}

func errorType(err error) string {
	kind := reflect.TypeOf(err)
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	return kind.Name()
}

// roundTrip sends l.head and body and reads the head of the answer. A
// connection that had served before may have been closed meanwhile: then it is
// tried once more on a new one.
func (l *loop) roundTrip(ctx context.Context, req *http.Request, body []byte) (*http.Response, error) {
	for {
		conn, fresh, err := l.connect(ctx)
		if err != nil {
			return nil, err
		}
		// One system call for both, without a copy.
		buffers := net.Buffers{l.head, body}
		if _, err = buffers.WriteTo(conn); err == nil {
			var resp *http.Response
			if resp, err = l.response(req); err == nil {
				return resp, nil
			}
		}
		l.close()
		if fresh {
			return nil, err
		}
	}
}

// response reads the head of the API's answer to req.
func (l *loop) response(req *http.Request) (*http.Response, error) {
	resp, err := http.ReadResponse(l.in, req)
	if err == nil && resp.Close {
		resp.Body = closing{resp.Body, l}
	}
	return resp, err
}

// connect returns the connection, and whether it is a new one.
func (l *loop) connect(ctx context.Context) (net.Conn, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		return l.conn, false, nil
	}
	if l.done {
		return nil, true, net.ErrClosed
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", l.addr)
	if err != nil {
		return nil, true, err
	}
	l.conn, l.in = conn, bufio.NewReaderSize(conn, 8<<10)
	return conn, true, nil
}

func (l *loop) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
}

// interrupt ends a poll under way, and all further ones.
func (l *loop) interrupt() {
	l.mu.Lock()
	l.done = true
	l.mu.Unlock()
	l.close()
}

// closing is the body of an answer after which the API closes the connection.
type closing struct {
	io.ReadCloser
	loop *loop
}

func (c closing) Close() error {
	err := c.ReadCloser.Close()
	c.loop.close()
	return err
}
