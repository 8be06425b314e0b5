// Package lambdaruntime serves invocations from the Lambda Runtime API:
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
//
// It stands in lambda.Start's place because of its memory and its time: that
// one grows a buffer by doubling for each event and posts the answer in chunks
// of 32 KB. Here one exact buffer is kept for each, and events and answers move
// in one piece. internal/bench shows the difference.
//
//	lambdaruntime.go  Serve: as many loops as invocations at a time
//	loop.go       one invocation after the other over one connection
//	stream.go     an answer sent as it is written
package lambdaruntime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Handler answers events. An error is reported to the API in the answer's place;
// its text is shown there. event is the Handler's until the Response is done
// with, or until it has returned an error. It may be called concurrently.
type Handler func(ctx context.Context, event []byte) (Response, error)

// Response is the answer to one event. It is taken once, from Whole or by WriteTo,
// and then told what became of it.
type Response interface {
	// Whole returns an answer that goes in one piece, valid until Done. ok is
	// false for one that is streamed.
	Whole() (answer []byte, ok bool)
	// WriteTo writes a streamed answer, each Write a piece that goes at once. An
	// error breaks the stream off, so that nobody takes what was written for the
	// whole.
	WriteTo(w io.Writer) (int64, error)
	// ContentType is the answer's media type.
	ContentType() string
	// Done is called once, when the answer has gone, or with why it has not.
	Done(err error)
}

// Serve polls the Runtime API at addr (host and port) and hands each event to
// h, n at a time. It blocks until the API cannot be talked to any more, or ctx
// has ended, and returns why. An error of h's is reported to the API and ends
// nothing.
func Serve(ctx context.Context, addr string, n int, h Handler) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range max(n, 1) {
		wg.Go(func() {
			// The first to fail ends them all: Lambda then starts afresh.
			cancel(newLoop(addr, h).run(ctx))
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// run serves one invocation after the other.
func (l *loop) run(ctx context.Context) error {
	defer l.close()
	defer context.AfterFunc(ctx, l.interrupt)()
	for {
		inv, err := l.next(ctx)
		if err != nil {
			return errors.Join(ctx.Err(), fmt.Errorf("asking for the next invocation: %w", err))
		}
		if err := l.serve(ctx, inv); err != nil {
			return errors.Join(ctx.Err(), fmt.Errorf("sending an answer: %w", err))
		}
	}
}
