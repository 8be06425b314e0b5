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
	answer  []byte
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

// serve has the handler answer and sends what it returned, unless the handler
// has sent it already.
func (l *loop) serve(ctx context.Context, inv invocation) error {
	out := &stream{loop: l, id: inv.id, deadline: inv.writingEnds(), dial: func() (net.Conn, bool, error) { return l.connect(ctx) }}
	answer, err := l.invoke(ctx, inv, out)
	switch {
	case out.broken():
		// The handler knows, and has logged why. The answer may be too large
		// for whoever called; whether the API is still there, the next poll
		// tells, on another connection: this one is in the middle of a request.
		l.close()
		return nil
	case out.begun:
		return out.end(err)
	}
	verb := "/response"
	if err != nil {
		verb, answer = "/error", functionError(err)
	} else {
		l.answer = answer
	}
	l.beginPost(inv.id, verb, "application/json")
	l.head = append(l.head, "Content-Length: "...)
	l.head = strconv.AppendInt(l.head, int64(len(answer)), 10)
	l.head = append(l.head, "\r\n\r\n"...)
	resp, err := l.roundTrip(ctx, &http.Request{Method: http.MethodPost}, answer)
	if err != nil {
		return err
	}
	return accepted(resp)
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

func (l *loop) invoke(ctx context.Context, inv invocation, out io.Writer) ([]byte, error) {
	ctx, cancel := context.WithDeadline(ctx, inv.deadline)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: inv.id, InvokedFunctionArn: inv.function})
	return l.handler.Serve(ctx, inv.payload, l.answer[:0], out)
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
