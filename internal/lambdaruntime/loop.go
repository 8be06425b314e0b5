package lambdaruntime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// loop has one invocation after the other served, over one connection.
type loop struct {
	connection
	handler Handler
	alone   bool   // the only loop: variables of the process may be about its invocation
	event   []byte // a buffer that is kept from one invocation to the next
	failed  error  // of the handler, so that the process must end
}

func newLoop(addr string, h Handler) *loop {
	return &loop{connection: connection{addr: addr}, handler: h}
}

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

// serve has the handler answer and sends what it answers.
func (l *loop) serve(ctx context.Context, inv invocation) error {
	invoked, cancel := l.context(ctx, inv)
	defer cancel()
	answer, err := l.invoke(invoked, inv)
	if err != nil {
		return l.fail(ctx, inv.id, err)
	}
	whole, ok := answer.Whole()
	if !ok {
		return l.stream(ctx, inv, answer)
	}
	l.beginPost(inv.id, "/response", answer.ContentType())
	err = l.post(ctx, whole)
	answer.Done(err)
	return err
}

// context is the invocation's own, with its deadline and what the API tells of it.
func (l *loop) context(ctx context.Context, inv invocation) (context.Context, context.CancelFunc) {
	if l.alone {
		// The AWS SDK sends it on, and Lambda stops calls that go round in circles.
		_ = os.Setenv("_X_AMZN_TRACE_ID", inv.trace)
	}
	ctx = context.WithValue(ctx, "x-amzn-trace-id", inv.trace) //nolint:revive,staticcheck // the key is aws-lambda-go's, and what reads traces knows it
	return context.WithDeadline(lambdacontext.NewContext(ctx, &inv.lambda), inv.deadline)
}

// invoke has the handler serve the event. A handler that panics has failed; so
// has the process, which may be in any state.
func (l *loop) invoke(ctx context.Context, inv invocation) (answer Response, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			answer, err = nil, panicked(cause)
			l.failed = err
		}
	}()
	if inv.fault != nil {
		return nil, inv.fault
	}
	return l.handler(ctx, inv.payload)
}

// fail tells the API why there is no answer.
func (l *loop) fail(ctx context.Context, id string, cause error) error {
	l.beginPost(id, "/error", "application/json")
	l.head = appendCause(l.head, cause)
	return l.post(ctx, functionError(cause))
}

// stream sends an answer as it comes by.
func (l *loop) stream(ctx context.Context, inv invocation, answer Response) error {
	out := &stream{
		conn: &l.connection, id: inv.id, contentType: answer.ContentType(), deadline: inv.writingEnds(),
		dial: func() (net.Conn, bool, error) { return l.connect(ctx) },
	}
	err := l.write(answer, out)
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
		failed = l.fail(ctx, inv.id, err)
	default:
		l.beginPost(inv.id, "/response", out.contentType)
		failed = l.post(ctx, nil)
	}
	answer.Done(failed)
	return failed
}

// write has the answer written to out. As in invoke, one that panics has failed, and
// so has the process: whoever called, and the other loops' callers, are told first.
func (l *loop) write(answer Response, out *stream) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = panicked(cause)
			l.failed = err
		}
	}()
	_, err = answer.WriteTo(out)
	return err
}
