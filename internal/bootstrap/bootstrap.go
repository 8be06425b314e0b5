// Package bootstrap serves invocations from the Lambda Runtime API:
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
//
// It stands in lambda.Start's place because of its memory and its time: that
// one grows a buffer by doubling for each event and posts the answer in chunks
// of 32 KB. Here one exact buffer is kept for each, and events and answers move
// in one piece. internal/bench shows the difference.
package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Handler serves invocations.
type Handler interface {
	// Append serves one event and returns its answer appended to dst, whose
	// bytes are the caller's again when the answer has been sent; so are
	// payload's when Append has returned. It may be called concurrently.
	Append(ctx context.Context, payload, dst []byte) ([]byte, error)
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
