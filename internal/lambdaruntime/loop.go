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
	"os"
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
	alone   bool // the only loop: variables of the process may be about its invocation

	mu   sync.Mutex // guards conn against the end of a poll
	conn net.Conn   // nil before it is needed and after it broke

	in     *bufio.Reader
	head   []byte
	event  []byte
	answer []byte
	failed error // of the handler, so that the process must end
}

// invocation is an event with what the API tells of it.
type invocation struct {
	id       string
	trace    string
	lambda   lambdacontext.LambdaContext
	deadline time.Time
	payload  []byte
	fault    error // why it cannot be served, if so
}

func newLoop(addr string, h Handler) *loop { return &loop{addr: addr, handler: h} }

// next blocks until there is an event, or until ctx has ended.
func (l *loop) next(ctx context.Context) (invocation, error) {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		l.close()
		close(interrupted)
	})
	defer func() {
		if !stop() {
			<-interrupted // so that an event that came all the same is answered on another connection
		}
	}()
	l.head = append(l.head[:0], "GET "+path+"next HTTP/1.1\r\nHost: "+l.addr+"\r\nUser-Agent: omr-relay\r\n\r\n"...)
	resp, err := l.roundTrip(ctx, &http.Request{Method: http.MethodGet}, nil)
	if err != nil {
		return invocation{}, err
	}
	payload, fault, err := l.readEvent(resp)
	if err != nil {
		return invocation{}, fmt.Errorf("reading the event: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return invocation{}, fmt.Errorf("the Runtime API answered %d", resp.StatusCode)
	}
	inv := invocation{payload: payload, fault: fault}
	inv.describe(resp.Header)
	return inv, nil
}

const path = "/2018-06-01/runtime/invocation/"

// describe reads what the API tells beside the event.
func (inv *invocation) describe(h http.Header) {
	inv.id, inv.trace = h.Get("Lambda-Runtime-Aws-Request-Id"), h.Get("Lambda-Runtime-Trace-Id")
	inv.lambda = lambdacontext.LambdaContext{
		AwsRequestID:       inv.id,
		InvokedFunctionArn: h.Get("Lambda-Runtime-Invoked-Function-Arn"),
		TenantID:           h.Get("Lambda-Runtime-Aws-Tenant-Id"),
	}
	ms, err := strconv.ParseInt(h.Get("Lambda-Runtime-Deadline-Ms"), 10, 64)
	if err != nil {
		inv.fault = errors.New("the Runtime API named no deadline")
	}
	inv.deadline = time.UnixMilli(ms)
	inv.fromCaller(h.Get("Lambda-Runtime-Client-Context"), &inv.lambda.ClientContext)
	inv.fromCaller(h.Get("Lambda-Runtime-Cognito-Identity"), &inv.lambda.Identity)
}

// fromCaller reads what callers may send besides the event. It is not quoted.
func (inv *invocation) fromCaller(text string, into any) {
	if text != "" && json.Unmarshal([]byte(text), into) != nil {
		inv.fault = errors.New("the caller's context is not the JSON it should be")
	}
}

const (
	// maxEvent is above the largest event that Lambda hands out, 6 MB and 100 bytes.
	maxEvent = 6<<20 + 64<<10
	// usualEvent is above what most calls are, whose environments need no more.
	usualEvent = 64 << 10
)

// readEvent reads the event into the buffer. The API names no length, so beyond
// what is usual the buffer is as large as an event can be: of memory that is
// never touched the system gives none. An event that is larger all the same is a
// fault of that invocation.
func (l *loop) readEvent(resp *http.Response) (payload []byte, fault, err error) {
	defer resp.Body.Close() // which reads what is left
	if l.event == nil {
		l.event = make([]byte, usualEvent)
	}
	for n := 0; ; {
		if n == usualEvent && len(l.event) == n {
			large := make([]byte, maxEvent+1)
			copy(large, l.event)
			l.event = large
		}
		read, err := resp.Body.Read(l.event[n:])
		n += read
		switch {
		case n > maxEvent:
			return nil, fmt.Errorf("an event of more than %d bytes", maxEvent), nil
		case errors.Is(err, io.EOF):
			return l.event[:n], nil, nil
		case err != nil:
			return nil, nil, err
		}
	}
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
	if err != nil {
		l.head = appendCause(l.head, err)
	}
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

// invoke has the handler serve the event. A handler that panics has failed; so
// has the process, which may be in any state.
func (l *loop) invoke(ctx context.Context, inv invocation, out io.Writer) (answer []byte, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = panicked(cause)
			l.failed = err
		}
	}()
	if inv.fault != nil {
		return nil, inv.fault
	}
	ctx, cancel := context.WithDeadline(ctx, inv.deadline)
	defer cancel()
	if l.alone {
		// The AWS SDK sends it on, and Lambda stops calls that go round in circles.
		_ = os.Setenv("_X_AMZN_TRACE_ID", inv.trace)
	}
	ctx = context.WithValue(ctx, "x-amzn-trace-id", inv.trace) //nolint:revive,staticcheck // the key is aws-lambda-go's, and what reads traces knows it
	return l.handler.Serve(lambdacontext.NewContext(ctx, &inv.lambda), inv.payload, l.answer[:0], out)
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
