// Package recognize answers a scan with its answers in one call, and a form's
// markup with the form: it submits, waits and fetches. It knows events only as
// requests, and the upstream only through package omr.
//
// The way of the data, one file for each step:
//
//	recognize.go  Recognizer: Post, Get and Delete of /recognize
//	generate.go   Generator: the same of /generate
//	input.go      a request → scans, pattern and options, checked before anything is paid
//	form.go       a request → markup, pictures and settings
//	multipart.go  a multipart body → its parts, where they lie
//	task.go       tasks: submitted, some at a time
//	wait.go       tasks: asked for until they are done or the wait is over
//	taskid.go     the tasks of several scans ⇄ an id
//	results.go    results → an answer
//	table.go      several results → one table
//	archive.go    a form's files → a ZIP
//	failure.go    what a failed call means to the caller
//	prefer.go     how long to wait; which format is wanted; what goes on upstream
//
// A scan is never copied: the request's body is decoded where it lies, and
// encoded again while it is sent. Nothing is kept from one request to the next
// but the pace of asking. What a request cost (tasks' ids, submissions, polls) is
// in the context's [callrecord.Record] as soon as it is known, so that a
// submitted task is in the log whatever becomes of the answer.
package recognize

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"omr-relay/handler/gateway"
	"omr-relay/internal/budget"
	"omr-relay/internal/omr"
)

// MaxImages is the most scans that one request may have.
const MaxImages = 40

// Config is what both need. Both fields are required.
type Config struct {
	// Transport sends calls with the Bearer attached.
	Transport http.RoundTripper
	// BaseURL is the upstream.
	BaseURL *url.URL
}

// Recognizer answers /recognize. It is safe for concurrent use.
//
// Its methods block until ctx ends at the latest, and return before that by
// enough to carry the answer out. Errors are [*problem.Error]. Bodies of answers
// are in memory: reading them neither blocks nor fails.
type Recognizer struct{ queue }

// NewRecognizer returns a Recognizer. It makes no call.
func NewRecognizer(cfg Config) *Recognizer {
	return &Recognizer{newQueue(cfg, omr.Recognition, "recognize/")}
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

// Post submits the scans of a request and waits for their results. It changes
// the request's body. The answer is the result of one scan, a table of several,
// or 202 with where they will be. Of several scans, one that fails is a row of
// the table; it is an error if none was submitted.
func (r *Recognizer) Post(ctx context.Context, req *gateway.Request) (*gateway.Answer, error) {
	times := newTimes(ctx, req.Header)
	in, err := readScans(req)
	if err != nil {
		return nil, err
	}
	tasks := make([]*task, len(in.images))
	for i, image := range in.images {
		tasks[i] = &task{name: image.name, body: omr.NewRecognition(image.document(req.Body), in.pattern.document(req.Body), in.format, in.threshold)}
	}
	client := r.with(req.Header)
	r.submit(ctx, client, times, tasks)
	if !submitted(tasks) {
		return fail(ctx, tasks[0].err)
	}
	r.wait(ctx, client, times, tasks)
	return r.conclude(ctx, tasks, in.format, times, r.path+identify(tasks, in.format))
}

// Get asks for the results of an id that Post gave, and waits for them as Post
// does.
func (r *Recognizer) Get(ctx context.Context, req *gateway.Request, id string) (*gateway.Answer, error) {
	times := newTimes(ctx, req.Header)
	tasks, format, err := tasksOf(id)
	if err != nil {
		return nil, err
	}
	r.resume(ctx, r.with(req.Header), times, tasks)
	return r.conclude(ctx, tasks, format, times, id)
}

// Delete cancels the tasks of an id. One that does not exist any more is
// cancelled, too.
func (r *Recognizer) Delete(ctx context.Context, req *gateway.Request, id string) (*gateway.Answer, error) {
	tasks, _, err := tasksOf(id)
	if err != nil {
		return nil, err
	}
	return r.cancel(ctx, r.with(req.Header), tasks)
}

// conclude makes the answer of what is known in the end; location is where the
// tasks are from where the request was sent.
func (r *Recognizer) conclude(ctx context.Context, tasks []*task, format omr.Format, times times, location string) (*gateway.Answer, error) {
	if !concluded(tasks) {
		if err := unanswered(tasks); err != nil {
			return fail(ctx, err)
		}
		return r.accepted(ctx, tasks, times, location), nil
	}
	var answer *gateway.Answer
	var err error
	if len(tasks) == 1 {
		answer, err = recognized(tasks[0].result)
	} else {
		answer, err = table(tasks, format)
	}
	if err != nil {
		return nil, err
	}
	answer.Header.Set("Content-Location", location)
	times.declare(answer.Header)
	return answer, nil
}

// times are the limits of one request.
type times struct {
	// submit is when the last of several scans may be submitted, and poll when
	// waiting ends, whatever the caller prefers.
	submit, poll time.Time
	// applied is the wait that the caller preferred, in seconds; -1 if none.
	applied int
}

func newTimes(ctx context.Context, h http.Header) times {
	now := time.Now()
	end, ok := ctx.Deadline()
	if !ok {
		end = now.Add(budget.Undeadlined)
	}
	quarter := end.Sub(now) / 4
	t := times{
		submit:  end.Add(-min(budget.Submission, quarter)),
		poll:    end.Add(-min(budget.LastPoll, quarter)),
		applied: -1,
	}
	if wait, ok := preferredWait(h); ok {
		wait = min(wait, max(t.poll.Sub(now), 0).Truncate(time.Second))
		t.poll, t.applied = now.Add(wait), int(wait/time.Second)
	}
	return t
}
