package batch

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"time"

	"omr-relay/internal/batch/layout"
	"omr-relay/internal/budget"
	"omr-relay/internal/callrecord"
	"omr-relay/internal/idempotency"
	"omr-relay/internal/journal"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
	"omr-relay/internal/recognition"
)

const (
	// patience is how long a result is waited for: as long as the upstream keeps it.
	patience = 24 * time.Hour
	// unhurried is the pause after a call for a result that failed.
	unhurried = 10 * time.Second
	// intentLife is longer than the bucket keeps any: while the record is there, it
	// counts.
	intentLife = 10 * 365 * 24 * time.Hour
)

// ledger is of the sheets' submissions.
func (r *Runner) ledger() *idempotency.Ledger {
	return &idempotency.Ledger{Store: intents{r.Records}, Life: intentLife, Pause: 30 * time.Second}
}

// intents are records beside the results.
type intents struct{ idempotency.Store }

func (s intents) ReadRecord(ctx context.Context, key string) (data []byte, version string, err error) {
	return s.Store.ReadRecord(ctx, layout.Sheets+key)
}

func (s intents) WriteRecord(ctx context.Context, key string, data []byte, version string) (newVersion string, ok bool, err error) {
	return s.Store.WriteRecord(ctx, layout.Sheets+key, data, version)
}

// submit submits a sheet once, whoever else does. That it cannot be submitted is a
// result as well, unless it may go well later.
func (r *Runner) submit(ctx context.Context, in Input) (*Output, error) {
	if !layout.ValidID(in.Scan) {
		return nil, fault(BadInput, "a step without its scan")
	}
	terms, err := r.terms(ctx, in)
	if err != nil {
		return nil, err
	}
	pattern, err := r.pattern(ctx, in)
	if err != nil {
		return nil, err
	}
	// Of the pattern and the threshold that are sent: none other's result is taken.
	caller, sheet := callerOf(in.Prefix), sheetOf(in.Scan, pattern.digest, terms.Threshold)
	known, ok, err := r.result(ctx, caller, sheet)
	if err != nil {
		return nil, err
	}
	if ok && settled(known, terms.resubmit()) {
		return &Output{State: Done}, nil
	}
	scan, err := r.Files.Find(ctx, scanKey(in.Prefix, in.Scan))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault(BadInput, "the batch's scans are not there any more")
	}
	if err != nil {
		return nil, unavailable("reading a scan", err)
	}
	sending, cancel := context.WithTimeout(ctx, budget.BatchSubmission+time.Duration(scan.Size/budget.BatchBytesPerSecond)*time.Second)
	defer cancel()
	until, _ := sending.Deadline()
	entry, err := r.ledger().Begin(ctx, idempotency.Request{
		Caller: caller, Key: intentName(sheet), Fingerprint: sha256.Sum256([]byte(sheet)), Until: until,
		Resubmit: terms.resubmit(), Before: terms.ResubmitBefore, Lost: lost(known),
	})
	if err != nil {
		return r.notBegun(ctx, in, caller, sheet, err)
	}
	if entry.Known() {
		return r.waitFor(sheet, entry.Task, entry.Begun(), 0, 0), nil
	}
	began := time.Now()
	task := omr.NewRecognition(omr.Document{Size: scan.Size, Open: scan.Open}, omr.Bytes(pattern.data), omr.CSV, terms.Threshold)
	id, err := r.Client.Submit(sending, omr.Recognition, task)
	if err != nil {
		return r.notSubmitted(ctx, in, sheet, entry, err)
	}
	// Where it cannot be stored, the task is known to this execution all the same.
	noteLedger(ctx, entry.Submitted(ctx, id))
	r.went(ctx, in)
	return r.waitFor(sheet, id, began, 0, 0), nil
}

func noteLedger(ctx context.Context, err error) {
	if err != nil {
		callrecord.From(ctx).LedgerErr = err
	}
}

// notBegun is what the ledger's refusal means.
func (r *Runner) notBegun(ctx context.Context, in Input, caller, sheet string, err error) (*Output, error) {
	switch e := problem.From(err); e.Code {
	case problem.RequestInProgress:
		return &Output{State: Submit, Seconds: seconds(e.RetryAfter), Tries: in.Tries}, nil
	case problem.SubmissionUnknown:
		return r.conclude(ctx, caller, sheet, journal.Result{Status: recognition.SubmissionUnknown})
	default:
		return nil, unavailable("recording a submission", err)
	}
}

// notSubmitted is what a failed submission means: for this sheet, or for all.
func (r *Runner) notSubmitted(ctx context.Context, in Input, sheet string, entry *idempotency.Entry, err error) (*Output, error) {
	v, fatal := r.judged(ctx, in, err)
	if v.Unknown {
		noteLedger(ctx, entry.Unknown(ctx)) // who comes next finds out by the time, too
		return r.conclude(ctx, callerOf(in.Prefix), sheet, journal.Result{Status: recognition.SubmissionUnknown, Messages: []string{v.Why}})
	}
	noteLedger(ctx, entry.NotSubmitted(ctx))
	switch {
	case fatal != nil:
		return nil, fatal
	case v.Refused:
		return r.conclude(ctx, callerOf(in.Prefix), sheet, journal.Result{Status: recognition.Refused, Messages: []string{v.Why}})
	default:
		return later(in.Tries, v.Wait), nil
	}
}

// fetch asks for a sheet's result once.
func (r *Runner) fetch(ctx context.Context, in Input) (*Output, error) {
	if !omr.ValidID(in.Task) || !layout.ValidID(in.Sheet) {
		return nil, fault(BadInput, "a step without its task")
	}
	caller, age := callerOf(in.Prefix), time.Since(in.Submitted)
	result, err := r.Client.Fetch(ctx, omr.Recognition, in.Task)
	if err != nil {
		v, fatal := r.judged(ctx, in, err)
		switch {
		case fatal != nil:
			return nil, fatal
		case v.Refused || age > patience:
			return r.conclude(ctx, caller, in.Sheet, journal.Result{Status: recognition.NotFetched, Messages: []string{v.Why}})
		}
		return r.waitFor(in.Sheet, in.Task, in.Submitted, in.Pending, max(v.Wait, unhurried)), nil
	}
	switch {
	case result.Status.Final():
		kept := recognition.Record(result)
		// One that an earlier run submitted says nothing of how long it took.
		if pending := time.Duration(in.Pending) * time.Millisecond; !lost(kept) && (pending > 0 || age < r.pace.First()+unhurried) {
			r.pace.Ready(pending, age)
		}
		return r.conclude(ctx, caller, in.Sheet, kept)
	case age > patience:
		return r.conclude(ctx, caller, in.Sheet, journal.Result{Status: recognition.NotReady})
	}
	return r.waitFor(in.Sheet, in.Task, in.Submitted, int(age/time.Millisecond), 0), nil
}

// waitFor says when a task is asked for next.
func (r *Runner) waitFor(sheet, task string, submitted time.Time, pending int, least time.Duration) *Output {
	pause := r.pace.First()
	switch age := time.Since(submitted); {
	case pending > 0 || least > 0:
		pause = max(r.pace.Again(age), age/12)
	case age > pause:
		pause = time.Second // it was submitted by an earlier run
	}
	submitted = submitted.UTC()
	return &Output{
		State: Wait, Seconds: seconds(min(max(pause, least), max(maxPause, least))),
		Sheet: sheet, Task: task, Submitted: &submitted, Pending: pending,
	}
}
