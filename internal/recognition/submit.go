package recognition

import (
	"context"
	"fmt"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/omr"
)

const (
	// submissionTime is for a form of megabytes over a slow line.
	submissionTime = 3 * time.Minute
	// grace is what a submission under way has left when the run is to end: one
	// that is cut off may have been received.
	grace = 30 * time.Second
)

// submit submits a sheet once; what it was not received by, it tries again. An
// outcome with a Status means that there is no task; an error ends the run.
func (r *run) submit(ctx context.Context, sheet Sheet) (Outcome, error) {
	submission, outcome, err := r.prepare(ctx, sheet)
	if err != nil || outcome.Status != "" {
		return outcome, err
	}
	for {
		leave, err := r.gate.enter(ctx)
		if err != nil {
			return Outcome{}, err
		}
		// Nothing may be sent before this is on disk.
		if err := r.Journal.Intend(sheet.Key); err != nil {
			_ = leave(verdict{kind: fatal}) // err says more
			return Outcome{}, err
		}
		id, err := r.send(ctx, submission)
		if err == nil {
			if err := r.Journal.Submitted(sheet.Key, id); err != nil {
				_ = leave(verdict{kind: fatal}) // err says more
				return Outcome{}, fmt.Errorf("task %s was submitted and paid for, and is not recorded: %w", id, err)
			}
			return Outcome{}, leave(passed)
		}
		v := verdictOf(err, r.gate.hasPassed())
		if v.kind == unknown {
			o := Outcome{Status: SubmissionUnknown, Messages: []string{v.why}}
			if err := leave(v); err != nil {
				r.tell(sheet.Key, o)
				return Outcome{}, err
			}
			return o, nil
		}
		if err := r.Journal.Refused(sheet.Key); err != nil {
			_ = leave(v) // err says more
			return Outcome{}, err
		}
		if err := leave(v); err != nil {
			return Outcome{}, err
		}
		if v.kind == refused {
			return Outcome{Status: Refused, Messages: []string{v.why}}, nil
		}
	}
}

// prepare returns how the sheet is submitted, after whatever has to come before. It
// is not on record: a run that is killed meanwhile has sent nothing.
func (r *run) prepare(ctx context.Context, sheet Sheet) (Submission, Outcome, error) {
	task := omr.NewRecognition(sheet.Document, r.Pattern, r.Format, r.Threshold)
	byClient := func(ctx context.Context) (string, error) { return r.Client.Submit(ctx, omr.Recognition, task) }
	if r.Prepare == nil {
		return byClient, Outcome{}, nil
	}
	for {
		if err := r.gate.pass(ctx); err != nil {
			return nil, Outcome{}, err
		}
		recording, _ := callrecord.With(ctx)
		submission, err := r.Prepare(recording, sheet)
		switch {
		case ctx.Err() != nil:
			return nil, Outcome{}, errEnded
		case err == nil && submission == nil:
			return byClient, Outcome{}, nil
		case err == nil:
			r.gate.passed()
			return submission, Outcome{}, nil
		}
		v := verdictOfPreparing(err)
		if err := r.gate.hold(v); err != nil {
			return nil, Outcome{}, err
		}
		if v.kind == refused {
			return nil, Outcome{Status: Refused, Messages: []string{v.why}}, nil
		}
	}
}

// send makes the call, which goes on for a while when ctx has ended.
func (r *run) send(ctx context.Context, submission Submission) (string, error) {
	inner, cancel := context.WithTimeout(context.WithoutCancel(ctx), submissionTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		if Sleep(inner, grace) {
			cancel()
		}
	})
	defer stop()
	recording, _ := callrecord.With(inner)
	return submission(recording)
}
