package recognize

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"omr-relay/handler/gateway"
	"omr-relay/internal/omr"
)

// Config is what both need. Both fields are required.
type Config struct {
	// Transport sends calls with the Bearer attached.
	Transport http.RoundTripper
	// BaseURL is the upstream.
	BaseURL *url.URL
}

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

// submit submits tasks in their order, some at a time. It stops where going on
// would be of no use: when time runs out, and after a failure that would be the
// next one's as well. The first is always tried.
func (q *queue) submit(ctx context.Context, client *omr.Client, until limits, tasks []*task) {
	var stop atomic.Bool
	each(tasks, func(i int, t *task) {
		t.reason = notSubmitted
		if i > 0 && (stop.Load() || !time.Now().Before(until.submit)) {
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
