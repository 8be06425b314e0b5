package recognize

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"omr-relay/handler/gateway"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
)

// task is one that was, or is to be, submitted. One goroutine at a time has it.
type task struct {
	name string    // what its row is called
	body *omr.Task // nil if it was submitted before this request

	id     string
	reason string // why there is no id, or no result for it

	submitted time.Time
	known     bool          // whether submitted is so
	pending   time.Duration // the age at which it was last seen not ready
	due       time.Time     // when it is asked for next
	status    omr.Status    // the last that was seen; empty if none was
	result    *omr.Result   // the last, if it is final
	err       error         // of the last call that failed
}

// The reasons why a scan has no result that are not the upstream's own words.
const (
	notSubmitted      = "not_submitted"      // the upstream has not taken it
	submissionUnknown = "submission_unknown" // it may have, under an id that nobody knows
	refused           = "upstream_refused"   // it would not take it
)

// reasons are encoded in ids by their place in this list: it only grows.
var reasons = []string{notSubmitted, submissionUnknown, refused}

// atOnce is how many calls are under way beside one another.
const atOnce = 4

// submit submits tasks in their order, some at a time. It stops where going on
// would be of no use: when time runs out, and after a failure that would be the
// next one's as well. The first is always tried.
func (q *queue) submit(ctx context.Context, client *omr.Client, times times, tasks []*task) {
	var stop atomic.Bool
	each(tasks, func(i int, t *task) {
		t.reason = notSubmitted
		if i > 0 && (stop.Load() || !time.Now().Before(times.submit)) {
			return
		}
		began := time.Now()
		t.reason = submissionUnknown // should the call panic
		t.id, t.err = client.Submit(ctx, q.service, t.body)
		if t.err == nil {
			t.reason, t.submitted, t.known = "", began, true
			t.due = began.Add(q.pace.First())
			return
		}
		f, ok := errors.AsType[*omr.Failure](t.err)
		switch {
		case ok && f.Ours():
			t.reason = refused
		case ok && !f.MayHaveArrived:
			t.reason = notSubmitted
		}
		if !ok || !f.Ours() {
			stop.Store(true)
		}
	})
}

// each calls do for all tasks, atOnce at a time and begun in their order, and
// returns when all have returned. A panic of do's becomes the task's error.
func each(tasks []*task, do func(i int, t *task)) {
	safely := func(i int) {
		defer func() {
			if cause := recover(); cause != nil {
				tasks[i].err = problem.Panicked(cause)
			}
		}()
		do(i, tasks[i])
	}
	if len(tasks) == 1 {
		safely(0)
		return
	}
	var begun atomic.Int64
	var workers sync.WaitGroup
	for range min(atOnce, len(tasks)) {
		workers.Go(func() {
			for {
				i := int(begun.Add(1)) - 1
				if i >= len(tasks) {
					return
				}
				safely(i)
			}
		})
	}
	workers.Wait()
}

// submitted reports whether there is a task that will have a result.
func submitted(tasks []*task) bool {
	for _, t := range tasks {
		if t.id != "" {
			return true
		}
	}
	return false
}

// cancel ends all tasks that there are.
func (q *queue) cancel(ctx context.Context, client *omr.Client, tasks []*task) (*gateway.Answer, error) {
	each(tasks, func(_ int, t *task) {
		if t.id != "" {
			t.err = client.Cancel(ctx, q.service, t.id)
		}
	})
	for _, t := range tasks {
		if t.err != nil {
			return fail(ctx, t.err)
		}
	}
	return empty(), nil
}
