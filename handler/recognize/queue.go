package recognize

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"omr-relay/handler/gateway"
	"omr-relay/internal/omr"
)

// queue is one of the upstream's, with what was learned of it.
type queue struct {
	client  omr.Client
	service omr.Service
	path    string // of a task, from where it was submitted
	pace    *omr.Pace
}

func newQueue(cfg Config, service omr.Service, path string) queue {
	return queue{client: omr.Client{Transport: cfg.Transport, BaseURL: cfg.BaseURL}, service: service, path: path, pace: new(omr.Pace)}
}

// with returns a client that sends on what of the request's header goes on.
func (q *queue) with(h http.Header) *omr.Client {
	c := q.client
	c.Header = forwarded(h)
	return &c
}

// recorder is told what becomes of a request's tasks.
type recorder interface {
	// submitted is told of one task as soon as it has an id; at once with others.
	submitted(ctx context.Context, number int, id string)
	// settled is told when no more will be submitted.
	settled(ctx context.Context, tasks []*task)
	// abandoned is told instead where nothing was.
	abandoned(ctx context.Context)
}

// noRecorder is for requests that have no key.
type noRecorder struct{}

func (noRecorder) submitted(context.Context, int, string) {}
func (noRecorder) settled(context.Context, []*task)       {}
func (noRecorder) abandoned(context.Context)              {}

// submit submits tasks in their order, some at a time. It stops where going on
// would be of no use: when time runs out, and after a failure that would be the
// next one's as well. The first is always tried.
func (q *queue) submit(ctx context.Context, client *omr.Client, until limits, tasks []*task, records recorder) {
	var stop atomic.Bool
	each(tasks, func(i int, t *task) {
		if t.earlier {
			return
		}
		// What an earlier request may have submitted stays so, whatever becomes of this.
		never := notSubmitted
		if t.reason == submissionUnknown {
			never = submissionUnknown
		}
		t.reason = never
		if i > 0 && (stop.Load() || !time.Now().Before(until.submit)) {
			return
		}
		began := time.Now()
		t.reason = submissionUnknown // should the call panic
		t.id, t.err = client.Submit(ctx, q.service, t.body)
		if t.err == nil {
			t.reason, t.submitted, t.known = "", began, true
			t.due = began.Add(q.pace.First())
			records.submitted(ctx, i, t.id)
			return
		}
		f, ok := errors.AsType[*omr.Failure](t.err)
		switch {
		case never == submissionUnknown:
		case ok && f.Ours():
			t.reason = refused
		case ok && !f.MayHaveArrived:
			t.reason = never
		}
		if !ok || !f.Ours() {
			stop.Store(true)
		}
	})
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
