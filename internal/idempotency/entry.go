package idempotency

import (
	"context"
	"sync"
	"time"
)

// Entry is one request that came with its key. Its methods are safe for concurrent
// use. They block until ctx ends at the latest.
type Entry struct {
	// Task is what was submitted before; empty if nothing is known to have been.
	Task string
	// Resubmitted says that the request may have been submitted before, and is to be
	// all the same: but for what Task has.
	Resubmitted bool

	store Store
	name  string

	mu      sync.Mutex // guards what follows, and writes
	version string
	record  record
	written string // the task that is stored
}

// Known reports whether the request has been submitted: there is nothing to do but
// to wait for Task.
func (e *Entry) Known() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.record.State == submitted
}

// Submitting stores the part that was submitted of a request of several, while the
// others are. latest tells it when the turn to write has come: one that finds the
// work done by another does nothing. An error is no failure of the request's.
func (e *Entry) Submitting(ctx context.Context, latest func() string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	task := latest()
	if task == e.written {
		return nil
	}
	e.record.Task = task
	return e.replace(ctx)
}

// Submitted stores the task. After an error another process does not know of it: it
// will say that the submission is unknown.
func (e *Entry) Submitted(ctx context.Context, task string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.record.State, e.record.Task = submitted, task
	return e.replace(ctx)
}

// NotSubmitted stores that nothing was, so that the key can be used again.
func (e *Entry) NotSubmitted(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.record.Task != "" {
		return e.unknown(ctx) // a part of it was, before
	}
	e.record.State = released
	return e.replace(ctx)
}

// Unknown stores that the request may have been submitted, and that nothing more is
// to come.
func (e *Entry) Unknown(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.unknown(ctx)
}

func (e *Entry) unknown(ctx context.Context) error {
	e.record.Until = time.Now().UTC()
	return e.replace(ctx)
}

// replace writes the record over the one that is there, which is this entry's: until
// it says that it has ended, or its time is over, nobody else writes.
func (e *Entry) replace(ctx context.Context) error {
	ok, err := e.write(ctx, e.version)
	if err != nil || ok {
		return err
	}
	// An attempt whose answer was lost may have been the one that came first.
	data, version, err := e.store.ReadRecord(ctx, e.name)
	if err != nil {
		return err
	}
	if version == "" {
		return errTakenOver
	}
	found, err := parse(data)
	switch {
	case err != nil:
		return err
	case found.Attempt != e.record.Attempt:
		return errTakenOver
	case found.same(e.record):
		e.version, e.written = version, found.Task
		return nil
	}
	if ok, err = e.write(ctx, version); err == nil && !ok {
		err = errTakenOver
	}
	return err
}

// write stores the record where version is still what is there.
func (e *Entry) write(ctx context.Context, version string) (ok bool, err error) {
	newVersion, ok, err := e.store.WriteRecord(ctx, e.name, e.record.text(), version)
	if ok {
		e.version, e.written = newVersion, e.record.Task
	}
	return ok, err
}
