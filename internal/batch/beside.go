package batch

import (
	"context"
	"sync"
	"time"

	"omr-relay/internal/problem"
)

// beside calls do for 0 to n-1, in their order, most at a time, until one fails or end
// has come; it returns how many were begun, at least one, when all of them have
// returned. A zero end never comes. A panic of do's becomes its error.
func beside(ctx context.Context, most, n int, end time.Time, do func(ctx context.Context, i int) error) (begun int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, most)
	var running sync.WaitGroup
	for i := range n {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil || i > 0 && !end.IsZero() && time.Now().After(end) {
			break
		}
		begun++
		running.Go(func() {
			defer func() { <-slots }()
			if err := safely(func() error { return do(ctx, i) }); err != nil {
				cancel(err)
			}
		})
	}
	running.Wait()
	if ctx.Err() != nil {
		return begun, context.Cause(ctx)
	}
	return begun, nil
}

// safely has a panic become an error: in a goroutine nobody else would.
func safely(do func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = failed(problem.Panicked(cause))
		}
	}()
	return do()
}
