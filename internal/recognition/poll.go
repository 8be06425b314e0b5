package recognition

import (
	"context"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/journal"
	"omr-relay/internal/omr"
)

const (
	fetchTime = time.Minute
	// patience is how long a run asks for one result. The next run asks again.
	patience = 10 * time.Minute
	// maxFailures is how many calls for one result may fail in a row.
	maxFailures = 5
)

// poll waits for the result of a sheet's task, asking as the pace says. It is due
// at once if it was submitted by an earlier run.
func (r *run) poll(ctx context.Context, key string, earlier bool) (Outcome, error) {
	state := r.Journal.State(key)
	began := time.Now()
	pending, failures := time.Duration(0), 0
	wait := r.pace.First()
	if earlier {
		wait = 0
	}
	for {
		if !Sleep(ctx, wait) {
			return Outcome{}, errEnded
		}
		if err := r.gate.pass(ctx); err != nil {
			return Outcome{}, err
		}
		age := time.Since(began)
		result, err := r.fetch(ctx, state.Task)
		switch {
		case ctx.Err() != nil:
			return Outcome{}, errEnded
		case err != nil:
			v := verdictOf(err, true)
			if err := r.gate.hold(v); err != nil {
				return Outcome{}, err
			}
			if v.kind != later { // which counts for all calls
				failures++
			}
			if failures >= maxFailures || v.kind == refused {
				return Outcome{Status: NotFetched, Messages: []string{v.why}}, nil
			}
			wait = time.Duration(failures) * time.Second
		case result.Status.Final():
			r.gate.passed()
			if !earlier && !lostStatus(result.Status) {
				r.pace.Ready(pending, age)
			}
			return r.finish(key, result)
		default:
			r.gate.passed()
			if failures, pending = 0, age; age > patience {
				return Outcome{Status: NotReady}, nil
			}
			wait = r.pace.Again(age)
		}
	}
}

func (r *run) fetch(ctx context.Context, task string) (*omr.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	ctx, _ = callrecord.With(ctx)
	return r.Client.Fetch(ctx, omr.Recognition, task)
}

// finish records a result.
func (r *run) finish(key string, result *omr.Result) (Outcome, error) {
	kept := journal.Result{Status: result.Status.Word(), Messages: result.Messages}
	if result.Status == omr.Ok || result.Status == omr.PartiallyNotFound {
		kept.Data = answers(result.Files)
	}
	if err := r.Journal.Finish(key, kept); err != nil {
		return Outcome{}, err
	}
	return judge(kept, r.Format), nil
}

// answers is the file with the answers in it.
func answers(files []omr.File) []byte {
	for _, file := range files {
		switch file.Type {
		case "Csv", "Json", "Xml", "Txt":
			return file.Data
		}
	}
	if len(files) > 0 {
		return files[0].Data
	}
	return nil
}
