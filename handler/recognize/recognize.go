// Package recognize answers a scan with its answers in one call, and a form's
// markup with the form: it submits, waits and fetches. It knows events only as
// requests, and the upstream only through package omr.
//
// The way of the data; each file uses those below it:
//
//	recognize.go  Recognizer: Post, Get and Delete of /recognize
//	generate.go   Generator: the same of /generate
//	once.go       a request with an Idempotency-Key is submitted once
//	upload.go     scans that were uploaded before
//	scans.go      a request → scans, pattern and options
//	form.go       a request → markup, pictures and settings
//	input.go      what both are made of, and checked for before anything is paid
//	multipart.go  a multipart body → its parts, where they lie
//	table.go      several results → one table
//	results.go    one result → an answer
//	archive.go    a form's files → a ZIP
//	taskid.go     the tasks of several scans ⇄ an id, without their names
//	wait.go       tasks are asked for until they are done or the wait is over
//	queue.go      tasks are submitted, some at a time, or cancelled
//	task.go       a task, and what is known of it
//	failure.go    what a failed call means to the caller
//	answer.go     the forms of answers
//	limits.go     how long to go on; Prefer
//	config.go     what both are given
//	headers.go    Accept; what of the header goes on upstream
//
// A scan is never copied: the request's body is decoded where it lies, and
// encoded again while it is sent. Nothing is kept from one request to the next
// but the pace of asking. What a request cost (tasks' ids, submissions, polls) is
// in the context's [callrecord.Record] as soon as it is known, so that a
// submitted task is in the log whatever becomes of the answer.
package recognize

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"omr-relay/handler/gateway"
	"omr-relay/internal/callrecord"
	"omr-relay/internal/idempotency"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
)

// Recognizer answers /recognize. It is safe for concurrent use.
//
// Its methods block until ctx ends at the latest, and return before that by
// enough to carry the answer out. Errors are [*problem.Error]. Bodies of answers
// are in memory: reading them neither blocks nor fails.
type Recognizer struct {
	queue
	findUpload func(ctx context.Context, caller, id string) (Upload, error)
	ledger     *idempotency.Ledger
}

// NewRecognizer returns a Recognizer. It makes no call.
func NewRecognizer(cfg Config) *Recognizer {
	return &Recognizer{newQueue(cfg, omr.Recognition, "recognize/"), cfg.FindUpload, cfg.Ledger}
}

// Post submits the scans of a request and waits for their results. It changes
// the request's body. The answer is the result of one scan, a table of several,
// or 202 with where they will be. Of several scans, one that fails is a row of
// the table; it is an error if none was submitted.
func (r *Recognizer) Post(ctx context.Context, req *gateway.Request) (*gateway.Answer, error) {
	until := newLimits(ctx, req.Header)
	in, err := readScans(req, r.findUpload != nil)
	if err != nil {
		return nil, err
	}
	s, err := begin(ctx, r.ledger, req, in)
	if err != nil {
		return nil, r.locate(err)
	}
	tasks, client := s.tasks, r.with(req.Header)
	until.resubmitted = s.resubmitted
	if s.known {
		r.resume(ctx, client, until, tasks)
		return r.conclude(ctx, tasks, in.format, until, r.path+identify(tasks, in.format))
	}
	if err := r.prepare(ctx, req, in, until, tasks); err != nil {
		s.records.abandoned(ctx)
		return nil, err
	}
	r.takeUp(tasks)
	r.submit(ctx, client, until, tasks, s.records)
	s.records.settled(ctx, tasks)
	if !submitted(tasks) {
		return fail(ctx, failure(tasks))
	}
	r.wait(ctx, client, until, tasks)
	return r.conclude(ctx, tasks, in.format, until, r.path+identify(tasks, in.format))
}

// prepare finds and checks the uploads of those tasks that are to be submitted, some at
// a time.
func (r *Recognizer) prepare(ctx context.Context, req *gateway.Request, in *scans, until limits, tasks []*task) error {
	var found atomic.Int64
	each(tasks, func(i int, t *task) {
		if t.earlier {
			return
		}
		image := &in.images[i]
		if image.upload != "" && !time.Now().Before(until.submit) {
			t.err = errSlow()
			return
		}
		if t.err = image.find(ctx, r.findUpload, req.Caller.Digest(), i+1); t.err != nil {
			return
		}
		if image.found != nil {
			found.Add(image.found.Size())
		}
		t.body = omr.NewRecognition(image.document(req.Body), in.pattern.document(req.Body), in.format, in.threshold)
	})
	callrecord.From(ctx).UploadBytes = found.Load()
	for _, t := range tasks {
		if t.err != nil {
			return t.err
		}
	}
	return nil
}

// locate says on a problem where what is known to have been submitted is.
func (r *Recognizer) locate(err error) error {
	if e, ok := errors.AsType[*problem.Error](err); ok && e.Task != "" {
		e.Header = http.Header{"Content-Location": {r.path + e.Task}}
	}
	return err
}

// Get asks for the results of an id that Post gave, and waits for them as Post
// does.
func (r *Recognizer) Get(ctx context.Context, req *gateway.Request, id string) (*gateway.Answer, error) {
	until := newLimits(ctx, req.Header)
	tasks, format, err := tasksOf(id)
	if err != nil {
		return nil, err
	}
	r.resume(ctx, r.with(req.Header), until, tasks)
	return r.conclude(ctx, tasks, format, until, id)
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
func (r *Recognizer) conclude(ctx context.Context, tasks []*task, format omr.Format, until limits, location string) (*gateway.Answer, error) {
	if !concluded(tasks) {
		if err := unanswered(tasks); err != nil {
			return fail(ctx, err)
		}
		return r.accepted(ctx, tasks, until, location), nil
	}
	var answer *gateway.Answer
	if len(tasks) > 1 {
		answer = table(tasks, format)
	} else {
		var err error
		if answer, err = recognized(tasks[0].result); err != nil {
			return nil, err
		}
	}
	answer.Header.Set("Content-Location", location)
	until.declare(answer.Header)
	return answer, nil
}
