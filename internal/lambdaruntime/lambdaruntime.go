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

// Handler serves invocations.
type Handler interface {
	// Serve serves one event. It returns its answer appended to dst, whose bytes
	// are the caller's again when the answer has been sent; or it writes the
	// answer to stream as it comes by, and then returns nothing. An error after
	// the first Write breaks the stream off, so that nobody takes what was
	// written for the whole. payload's bytes are the caller's again when Serve
	// has returned. It may be called concurrently.
	Serve(ctx context.Context, payload, dst []byte, stream io.Writer) ([]byte, error)
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
