package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"omr-relay/internal/journal"
	"omr-relay/internal/jsonscan"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
	"omr-relay/internal/recognition"
)

// batchSplit is what the relay's batches take of a file that has pages.
const batchSplit = 100 << 20

// batchJob is one recognize --batch. The journal has what it needs to be picked up
// again: which scan is which upload, the key that the batch was ordered by, and the
// batch. Everything it pays for, the relay keeps by content: whatever of this is lost,
// another batch of the same scans pays for nothing again.
type batchJob struct {
	*job
	relay  *uploader
	caller string // the API key

	exceptional bool // somebody must look at something
}

func newBatchJob(j *job) *batchJob {
	return &batchJob{job: j, relay: j.service.uploader, caller: j.service.key}
}

// judgeBatchFormat tells which table is asked for.
func judgeBatchFormat(format, output string) error {
	switch {
	case format == "CSV", format == "JSONL":
	case format != "":
		return &usageError{"--format must be csv or jsonl with --batch"}
	case filepath.Ext(output) != "" && batchTable(format, output) == "":
		return &usageError{printable(output) + " ends in neither .csv nor .jsonl, which are the tables that a batch makes: choose with --format what is written to it"}
	}
	return nil
}

// batchTable is the table that goes to the output; "" where its name says none.
func batchTable(format, output string) string {
	switch {
	case format == "CSV", format == "" && filepath.Ext(output) == "", format == "" && strings.EqualFold(filepath.Ext(output), ".csv"):
		return "answers.csv"
	case format == "JSONL", format == "" && strings.EqualFold(filepath.Ext(output), ".jsonl"):
		return "answers.jsonl"
	}
	return ""
}

// orderSize is what the order will take in a call, for all ids of uploads have one
// length.
func (j *job) orderSize() int {
	return jsonscan.QuotedLen(j.orderOf(func(int) string { return strings.Repeat("0", 32) }))
}

func (j *job) orderOf(upload func(i int) string) []byte {
	uploads := make([]batchOrdered, len(j.set.Sheets))
	for i := range uploads {
		uploads[i] = batchOrdered{upload(i), j.set.Sheets[i].Name}
	}
	return newBatchOrder(j.pattern, j.thresholdOrNone(), uploads)
}

// run picks up the batch that the journal knows, or starts one, and stays with it until
// its tables are written.
func (b *batchJob) run(ctx context.Context) error {
	for {
		attempt, key := b.attempt()
		id, known := b.known(key)
		if !known {
			var err error
			if id, err = b.start(ctx, attempt, key); err != nil {
				return err
			}
		}
		b.say("batch %s %s", id, map[bool]string{true: "was started before: going on with it", false: "is started"}[known])
		state, err := b.follow(ctx, id)
		if err != nil {
			return err
		}
		if state.Status == batchSucceeded {
			if err := b.finish(ctx, state); err != nil {
				return err
			}
			return b.conclude(attempt)
		}
		if err := b.journal.Finish(attempt, journal.Result{Status: state.Status}); err != nil {
			return err
		}
		switch {
		case known && state.Status == batchGone:
			b.say("it is not there any more: starting another, which pays for nothing that was recognized")
		case state.Error == "AnotherBatchRuns":
			if !b.await(ctx, anotherRuns, anotherPause) {
				return b.interrupted(notStarted)
			}
		default:
			return b.ended(state)
		}
	}
}

// conclude ends an attempt whose tables are written: the same command begins another.
func (b *batchJob) conclude(attempt string) error {
	if err := errors.Join(b.journal.Finish(attempt, journal.Result{Status: batchSucceeded}), b.forgetUploads()); err != nil {
		return err
	}
	return b.exitStatus()
}

// attempt is the journal's name for a batch of these scans, and the key that it is
// ordered by: one that is on record before anything is ordered.
func (b *batchJob) attempt() (name, key string) {
	digest := sha256.New()
	_, _ = fmt.Fprintf(digest, "%s %x %d %t\n", b.uploadKey(""), sha256.Sum256(b.pattern), b.threshold, b.resubmit)
	for i := range b.set.Sheets {
		_, _ = fmt.Fprintf(digest, "%s %q\n", b.set.Sheets[i].Content, b.set.Sheets[i].Name)
	}
	name = "attempt " + hex.EncodeToString(digest.Sum(nil))
	if state := b.journal.State(name); state.Task != "" && !state.Done {
		return name, state.Task
	}
	return name, ""
}

// known is the batch that a key has led to.
func (b *batchJob) known(key string) (id string, ok bool) {
	id = b.journal.State("batch " + key).Task
	return id, key != "" && id != ""
}

const (
	anotherRuns  = "another batch of this stack is running, and there is one at a time"
	anotherPause = 30 * time.Second
	notStarted   = "no batch was started"
)

// start uploads the scans and orders the batch. While another one runs, it waits.
func (b *batchJob) start(ctx context.Context, attempt, key string) (string, error) {
	for try := 0; ; {
		if err := b.upload(ctx); err != nil {
			return "", err
		}
		if key == "" {
			key = rand.Text()
			if err := b.journal.Submitted(attempt, key); err != nil {
				return "", err
			}
		}
		order := b.orderOf(func(i int) string { return b.uploaded(&b.set.Sheets[i]) })
		id, err := b.relay.startBatch(ctx, key, order, b.resubmit)
		if err == nil {
			return id, b.journal.Submitted("batch "+key, id)
		}
		if ctx.Err() != nil {
			return "", b.interrupted("the batch was ordered, and nobody knows whether it is started")
		}
		v, pause, meanwhile := recognition.Judge(err), backoff(try), "the batch was ordered, and nobody knows whether it is started"
		f, _ := errors.AsType[*omr.Failure](err)
		switch code := codeOf(f); {
		case code == problem.BatchRunning:
			v.Why, pause, meanwhile, try = anotherRuns, anotherPause, notStarted, -1
		case code == problem.IdempotencyKeyReused:
			// The order was received before, with uploads that are not there any more.
			key, pause = "", 0
		case (v.Later || v.Unknown) && try < maxTries:
		default:
			return "", fmt.Errorf("the batch was not started: %s", v.Why)
		}
		try++
		if f.Refusal != nil && f.Refusal.RetryAfter > 0 {
			pause = f.Refusal.RetryAfter
		}
		if !b.await(ctx, v.Why, pause) {
			return "", b.interrupted(meanwhile)
		}
	}
}

const (
	batchGone = "gone"
	// lookPause is between two questions, where the relay names no time.
	lookPause = 10 * time.Second
	// maxMissed is how often in all a batch may not be there.
	maxMissed = 3
)

// follow shows how far a batch is until it has ended.
func (b *batchJob) follow(ctx context.Context, id string) (*batchState, error) {
	b.shown = newProgressOf(b.console, "preparing", max(b.set.Count(), 1))
	defer b.shown.end()
	for failures, missed := 0, 0; ; {
		state, err := b.relay.batch(ctx, id)
		f, failed := errors.AsType[*omr.Failure](err)
		pause := lookPause
		switch {
		case ctx.Err() != nil:
			return nil, b.interrupted("the batch " + id + " goes on in AWS")
		case failed && codeOf(f) == problem.BatchNotFound:
			// Step Functions may need a moment to know one that was just started.
			if missed++; missed > maxMissed {
				return &batchState{ID: id, Status: batchGone}, nil
			}
			pause = backoff(missed)
		case err != nil:
			v := recognition.Judge(err)
			if failures++; !v.Later && !v.Unknown || failures > maxTries {
				return nil, b.goesOn(fmt.Sprintf("%s; the batch %s goes on in AWS", v.Why, id))
			}
			pause = max(v.Wait, backoff(failures))
			b.shown.waiting(v.Why, pause)
		case state.Status != batchRunning:
			return state, nil
		default:
			failures = 0
			if state.retryAfter > 0 {
				pause = state.retryAfter
			}
			b.tell(state)
		}
		if !b.pause(ctx, pause) {
			return nil, b.interrupted("the batch " + id + " goes on in AWS")
		}
	}
}

// tell shows the counts of a running batch, which are of the sheets that are not known.
func (b *batchJob) tell(state *batchState) {
	if n := state.Sheets; n.Total > 0 {
		b.shown.at(n.Done, n.Total, fmt.Sprintf("recognized, %d under way", n.Running))
		return
	}
	b.shown.at(0, max(b.set.Count(), 1), "recognized: the sheets are being looked at")
}

// await says why it waits, and does.
func (b *batchJob) await(ctx context.Context, why string, d time.Duration) bool {
	if d > 0 {
		b.say("waiting %v: %s", d.Round(time.Second), why)
	}
	return b.pause(ctx, d)
}

func (b *batchJob) interrupted(meanwhile string) error { return b.goesOn("interrupted; " + meanwhile) }

// goesOn says how to go on.
func (b *batchJob) goesOn(what string) error {
	if b.output == "" {
		return errors.New(what + ". Without -o there is no journal to go on from: the same command waits for the end of a batch that runs, and pays for nothing that it recognized")
	}
	return errors.New(what + ": the same command picks it up")
}

func (b *batchJob) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.stderr, format+"\n", args...) // when stderr is gone, so is the reader
}
