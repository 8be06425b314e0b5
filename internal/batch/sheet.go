package batch

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"

	"omr-relay/internal/batch/layout"
	"omr-relay/internal/budget"
	"omr-relay/internal/idempotency"
	"omr-relay/internal/journal"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
	"omr-relay/internal/recognition"
)

const (
	// patience is how long a result is waited for: as long as the upstream keeps it.
	patience = 24 * time.Hour
	// maxPause is between two questions for a result.
	maxPause = 5 * time.Minute
)

// submit submits a sheet once, whoever else does. That it cannot be submitted is a
// result as well, unless it may go well later.
func (r *Runner) submit(ctx context.Context, in Input) (*Output, error) {
	order, pattern, err := r.order(ctx, in.Prefix)
	if err != nil {
		return nil, err
	}
	caller := callerOf(in.Prefix)
	switch known, err := r.result(ctx, caller, in.ID); {
	case err == nil && settled(known, order):
		return &Output{State: Done}, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, unavailable("reading a result", err)
	}
	entry, err := r.Ledger.Begin(ctx, idempotency.Request{
		Caller: caller, Key: "sheet " + in.ID, Fingerprint: sha256.Sum256([]byte(in.ID)), Until: lastMoment(ctx), Resubmit: order.Resubmit,
	})
	if err != nil {
		return r.notBegun(ctx, caller, in.ID, err)
	}
	if entry.Known() {
		return r.waitFor(entry.Task, time.Now().Add(-r.pace.First()), 0), nil
	}
	scan, err := r.Files.Find(ctx, scanKey(in.Prefix, in.Number))
	if err != nil {
		_ = entry.NotSubmitted(ctx) // err says more
		return nil, unavailable("reading a scan", err)
	}
	task := omr.NewRecognition(omr.Document{Size: scan.Size, Open: scan.Open}, omr.Bytes(pattern), omr.CSV, order.Threshold)
	began := time.Now()
	id, err := r.Client.Submit(ctx, omr.Recognition, task)
	if err == nil {
		// Where it cannot be stored, the task is known to this execution all the same.
		_ = entry.Submitted(ctx, id)
		r.went(ctx, in.Execution)
		return r.waitFor(id, began, 0), nil
	}
	return r.notSubmitted(ctx, in, entry, err)
}

// settled reports whether a result is the last word on a sheet: one that was paid for,
// or may have been.
func settled(known journal.Result, order *layout.Order) bool {
	switch known.Status {
	case recognition.Refused, recognition.NotFetched, recognition.NotReady:
		return false
	case recognition.SubmissionUnknown, string(omr.TaskNotFound), string(omr.ResultDataLost):
		return !order.Resubmit
	default:
		return true
	}
}

// notBegun is what the ledger's refusal means.
func (r *Runner) notBegun(ctx context.Context, caller, id string, err error) (*Output, error) {
	switch e := problem.From(err); e.Code {
	case problem.RequestInProgress:
		return &Output{State: Submit, Seconds: seconds(e.RetryAfter)}, nil
	case problem.SubmissionUnknown:
		return r.conclude(ctx, caller, id, journal.Result{Status: recognition.SubmissionUnknown})
	default:
		return nil, unavailable("recording a submission", err)
	}
}

// notSubmitted is what a failed submission means: for this sheet, or for all.
func (r *Runner) notSubmitted(ctx context.Context, in Input, entry *idempotency.Entry, err error) (*Output, error) {
	caller := callerOf(in.Prefix)
	switch v := recognition.Judge(err); {
	case v.Unknown:
		_ = entry.Unknown(ctx) // the next would find out by itself
		return r.conclude(ctx, caller, in.ID, journal.Result{Status: recognition.SubmissionUnknown, Messages: []string{v.Why}})
	case v.Later:
		_ = entry.NotSubmitted(ctx)
		r.slow(ctx, in.Execution)
		return &Output{State: Submit, Seconds: seconds(max(v.Wait, 5*time.Second))}, nil
	case v.Refused:
		_ = entry.NotSubmitted(ctx)
		return r.conclude(ctx, caller, in.ID, journal.Result{Status: recognition.Refused, Messages: []string{v.Why}})
	default:
		_ = entry.NotSubmitted(ctx)
		return nil, &Fault{Name: Unavailable, Detail: "submitting a sheet", Err: safe(v.Why)}
	}
}

// fetch asks for a sheet's result once.
func (r *Runner) fetch(ctx context.Context, in Input) (*Output, error) {
	if !omr.ValidID(in.Task) {
		return nil, fault(BadInput, "a step without its task", nil)
	}
	caller := callerOf(in.Prefix)
	age := time.Since(in.Submitted)
	result, err := r.Client.Fetch(ctx, omr.Recognition, in.Task)
	switch {
	case err != nil && age > patience:
		return r.conclude(ctx, caller, in.ID, journal.Result{Status: recognition.NotFetched})
	case err != nil:
		v := recognition.Judge(err)
		if v.Refused {
			return r.conclude(ctx, caller, in.ID, journal.Result{Status: recognition.NotFetched, Messages: []string{v.Why}})
		}
		if v.Later {
			r.slow(ctx, in.Execution)
		}
		return r.waitFor(in.Task, in.Submitted, max(v.Wait, 10*time.Second)), nil
	case result.Status.Final():
		r.pace.Ready(0, age)
		return r.conclude(ctx, caller, in.ID, recognition.Record(result))
	case age > patience:
		return r.conclude(ctx, caller, in.ID, journal.Result{Status: recognition.NotReady})
	}
	return r.waitFor(in.Task, in.Submitted, 0), nil
}

// waitFor says when a task is asked for next.
func (r *Runner) waitFor(task string, submitted time.Time, least time.Duration) *Output {
	pause := r.pace.First()
	if age := time.Since(submitted); age > pause {
		pause = r.pace.Again(age)
	}
	return &Output{State: Wait, Seconds: seconds(min(max(pause, least), maxPause)), Task: task, Submitted: &submitted}
}

// conclude stores what became of a sheet, so that no other batch pays for it again.
func (r *Runner) conclude(ctx context.Context, caller, id string, result journal.Result) (*Output, error) {
	text, _ := json.Marshal(result) // plain values always marshal
	if err := r.Files.Write(ctx, resultKey(caller, id), strings.NewReader(string(text)), "application/json"); err != nil {
		return nil, unavailable("writing a result", err)
	}
	return &Output{State: Done}, nil
}

// result is what became of a sheet.
func (r *Runner) result(ctx context.Context, caller, id string) (journal.Result, error) {
	var result journal.Result
	body, _, err := r.Files.Read(ctx, resultKey(caller, id))
	if err != nil {
		return result, err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxResult))
	if err == nil {
		err = json.Unmarshal(text, &result)
	}
	return result, err
}

const maxResult = 16 << 20

// lastMoment is when the invocation at hand has ended, whatever became of it.
func lastMoment(ctx context.Context) time.Time {
	if end, ok := ctx.Deadline(); ok {
		return end.Add(budget.AnswerReserve)
	}
	return time.Now().Add(budget.Undeadlined)
}

func seconds(d time.Duration) int { return int(max(d+time.Second-1, time.Second) / time.Second) }
