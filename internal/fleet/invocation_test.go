package fleet

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"omr-relay/internal/budget"
	"omr-relay/internal/problem"
)

// call is one invocation: a scan that is submitted and waited for, or a result that is
// fetched.
type call struct {
	number  int
	arrived time.Duration
	submit  bool
}

// submissions is how many of a hundred calls submit a scan.
const submissions = 85

// serve is one invocation, from its arrival to the freeze.
func (e *environment) serve(ctx context.Context, c call, cold bool) {
	e.serving.Store(true)
	if cold {
		e.start(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, budget.Function-budget.AnswerReserve)
	err := e.run(ctx, c)
	cancel()
	e.wait(context.WithoutCancel(ctx), 2*time.Millisecond) // the answer goes out
	e.world.watch.ended(c, err)
	if e.inside.Load() != 0 {
		e.world.watch.violated(frozenRan)
	}
	e.serving.Store(false)
	e.world.freeze(e)
}

// run makes the calls of one invocation.
func (e *environment) run(ctx context.Context, c call) error {
	number := strconv.Itoa(c.number)
	if !c.submit {
		return e.send(ctx, http.MethodGet, number)
	}
	if err := e.send(ctx, http.MethodPost, number); err != nil {
		return err
	}
	for _, pause := range []time.Duration{between(e.calling, 6*time.Second, 14*time.Second), 2 * time.Second} {
		if deadline, _ := ctx.Deadline(); time.Until(deadline) < pause+budget.LastPoll {
			return nil // 202: the caller asks for it later
		}
		if !e.wait(ctx, pause) {
			return ctx.Err()
		}
		if err := e.send(ctx, http.MethodGet, number); err != nil || e.calling.IntN(5) < 3 {
			return err
		}
	}
	return nil
}

// ours reports whether a failure is the relay's: the token path's, that is, for the
// upstream's own are not looked at here.
func ours(err error) bool {
	p, ok := errors.AsType[*problem.Error](err)
	return ok && p.Code != problem.UpstreamUnreachable
}
