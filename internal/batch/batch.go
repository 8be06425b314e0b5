// Package batch recognizes the scans of a batch, one step at a time, for a state
// machine of AWS Step Functions (statemachine/batch.asl.json). What a step needs and
// what comes of it is in the bucket; between steps go keys, digests, numbers and ids of
// tasks, never names of files or answers: Step Functions keeps them for 90 days.
//
// Each file uses those below it:
//
//	batch.go     Run: the steps, by their names
//	erase.go     the end of a batch: nothing of it is left
//	merge.go     results → the three tables
//	tables.go    the tables, written a row at a time
//	reason.go    why a person must look at a sheet, in words
//	explain.go   by which fault the map failed
//	sheet.go     one sheet: submitted once, and fetched
//	failed.go    what a failed call means, for the sheet or for all
//	pace.go      a map that goes slower where the upstream asks for it
//	manifest.go  scans → sheets, a page each, in their order
//	found.go     what an invocation before this one found
//	scan.go      one scan → its sheets
//	pages.go     the pages of PDF and TIFF
//	taker.go     what scans and sheets are
//	beside.go    many things at a time
//	preflight.go what would be wrong with every sheet
//	result.go    what became of a sheet, as it is stored
//	order.go     what the batch is asked to do, and with which pattern
//	local.go     files of this machine's
//	runner.go    Runner, and what steps are given and give
//	terms.go     what of order and pattern counts for each sheet
//	keys.go      where the steps' own things are in the bucket
//	fault.go     how a step fails, by the name that the state machine knows
//
// Whatever is killed where, no sheet is submitted twice: the intent is recorded before,
// by a write that one of several can make, and lives as long as results do. Two runs of
// the same scans, one after the other or beside one another, pay once.
package batch

import (
	"context"

	"omr-relay/internal/budget"
	"omr-relay/internal/problem"
)

// steps are what a state of the state machine has done.
var steps = map[string]func(*Runner, context.Context, Input) (*Output, error){
	"preflight": (*Runner).preflight,
	"manifest":  (*Runner).manifest,
	"submit":    (*Runner).submit,
	"fetch":     (*Runner).fetch,
	"merge":     (*Runner).merge,
	"erase":     (*Runner).erase,
	"explain":   (*Runner).explain,
}

// Known reports whether there is a step of that name, which then may be logged.
func Known(step string) bool { return steps[step] != nil }

// Run runs one step. It blocks until shortly before ctx ends at the latest; its errors
// are [*Fault]. It does not panic.
func (r *Runner) Run(ctx context.Context, in Input) (out *Output, err error) {
	step := steps[in.Step]
	if step == nil {
		return nil, fault(BadInput, "there is no such step")
	}
	if err := validPrefix(in.Prefix); err != nil {
		return nil, err
	}
	if out, err = r.run(ctx, step, in); err != nil {
		_ = safely(func() error { r.leaveWord(ctx, in, err); return nil })
	}
	return out, err
}

// run runs a step within ctx, less a reserve.
func (r *Runner) run(ctx context.Context, step func(*Runner, context.Context, Input) (*Output, error), in Input) (out *Output, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			out, err = nil, failed(problem.Panicked(cause))
		}
	}()
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-budget.AnswerReserve))
		defer cancel()
	}
	return step(r, ctx, in)
}
