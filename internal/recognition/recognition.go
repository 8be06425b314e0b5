// Package recognition recognizes many sheets through one client of the upstream's
// API, some at a time, and submits none twice: before a submission it records the
// intent, after it the task, in a journal that a later run goes on from.
//
//	recognition.go  Run: the sheets, some at a time
//	submit.go       one sheet's submission
//	poll.go         waiting for its result
//	config.go       what a run is given, and what it knows
//	gate.go         when calls may go out: one first, none while the upstream asks to wait
//	verdict.go      what a failed call means
//	outcome.go      what became of a sheet, in words
package recognition

import (
	"context"
	"errors"
	"sync"

	"omr-relay/internal/journal"
)

// Run recognizes the sheets and returns what became of each, in their order. It
// blocks until all are done, or until no more can be: then it returns a [*Stopped],
// or the journal's own error. When ctx ends it begins nothing new and waits for the
// submissions under way, half a minute at most.
func Run(ctx context.Context, cfg Config, sheets []Sheet) ([]Outcome, error) {
	inner, stop := context.WithCancel(ctx)
	defer stop()
	r := &run{Config: cfg, gate: newGate(cfg.Waiting), stop: stop, outcomes: make([]Outcome, len(sheets)), sheets: sheets, same: map[string][]int{}}
	var queue []int // the first sheet of each key
	for i, sheet := range sheets {
		if r.same[sheet.Key] == nil {
			queue = append(queue, i)
		}
		r.same[sheet.Key] = append(r.same[sheet.Key], i)
	}
	next := make(chan int)
	var workers sync.WaitGroup
	for range max(1, min(cfg.Jobs, len(queue))) {
		workers.Go(func() {
			for i := range next {
				r.sheet(inner, i)
			}
		})
	}
feed:
	for _, i := range queue {
		select {
		case next <- i:
		case <-inner.Done():
			break feed
		}
	}
	close(next)
	workers.Wait()
	if r.failed == nil && ctx.Err() != nil {
		return r.outcomes, ErrInterrupted
	}
	return r.outcomes, r.failed
}

// sheet does what is left to do for a sheet.
func (r *run) sheet(ctx context.Context, i int) {
	if ctx.Err() != nil {
		return
	}
	outcome, err := r.recognize(ctx, r.sheets[i])
	switch {
	case err == nil:
		r.tell(r.sheets[i].Key, outcome)
	case !errors.Is(err, errEnded):
		r.telling.Lock()
		if r.failed == nil {
			r.failed = err
		}
		r.telling.Unlock()
		r.stop()
	}
}

// recognize goes on from what the journal knows. An error ends the run.
func (r *run) recognize(ctx context.Context, sheet Sheet) (Outcome, error) {
	known := r.Journal.State(sheet.Key)
	if known.Done {
		outcome, err := r.recorded(sheet.Key)
		outcome.Kept = true
		if err != nil || outcome.Answered || !r.Resubmit {
			return outcome, err
		}
		known = journal.State{}
	}
	if known.Intended && known.Task == "" && !r.Resubmit {
		return Outcome{Status: SubmissionUnknown}, nil
	}
	if known.Task == "" {
		outcome, err := r.submit(ctx, sheet)
		if err != nil || outcome.Status != "" {
			return outcome, err
		}
		return r.poll(ctx, sheet.Key, false)
	}
	outcome, err := r.poll(ctx, sheet.Key, true)
	if err != nil || !r.Resubmit || !lost(outcome) {
		return outcome, err
	}
	if outcome, err = r.submit(ctx, sheet); err != nil || outcome.Status != "" {
		return outcome, err
	}
	return r.poll(ctx, sheet.Key, false)
}
