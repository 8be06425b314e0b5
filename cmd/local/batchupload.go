package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"omr-relay/internal/journal"
	"omr-relay/internal/omr"
	"omr-relay/internal/recognition"
	"omr-relay/internal/scans"
)

const (
	// uploadLife is how long an upload is relied on: the bucket keeps it for a day.
	uploadLife = 20 * time.Hour
	// maxTries is how often in a row one call to the relay or S3 may fail that may go
	// well later.
	maxTries = 8
)

// uploadKey is how the journal knows the upload of a scan: at this relay, by this
// caller.
func (b *batchJob) uploadKey(content string) string {
	caller := sha256.Sum256([]byte(b.relay.base.String() + " " + b.caller))
	return "upload " + hex.EncodeToString(caller[:8]) + " " + content
}

// uploaded is the id of a scan's upload, as long as it is there; "" is none.
func (b *batchJob) uploaded(s *scans.Sheet) string {
	state := b.journal.State(b.uploadKey(s.Content))
	if state.Done || time.Since(state.Submitted) > uploadLife {
		return ""
	}
	return state.Task
}

// missing are the scans that are to be uploaded, each content once.
func (b *batchJob) missing() (all []*scans.Sheet) {
	met := map[string]bool{}
	for i := range b.set.Sheets {
		s := &b.set.Sheets[i]
		if !met[s.Content] && b.uploaded(s) == "" {
			all = append(all, s)
		}
		met[s.Content] = true
	}
	return all
}

// upload uploads what is not there yet. Nothing that fails has been paid for.
func (b *batchJob) upload(ctx context.Context) error {
	todo := b.missing()
	if len(todo) == 0 {
		return nil
	}
	b.shown = newProgressOf(b.console, "uploading", len(todo))
	defer b.shown.end()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan *scans.Sheet)
	var working sync.WaitGroup
	var mu sync.Mutex // guards refused
	var refused []string
	for range min(b.jobs, len(todo)) {
		working.Go(func() {
			for s := range next {
				why, err := b.uploadOne(ctx, s)
				switch {
				case err != nil:
					cancel(err)
					return
				case why != "":
					mu.Lock()
					refused = append(refused, s.Name+": "+why)
					mu.Unlock()
				default:
					b.shown.done(s.Name, recognition.Outcome{Status: "uploaded"})
				}
			}
		})
	}
	for _, s := range todo {
		select {
		case next <- s:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	working.Wait()
	if ctx.Err() != nil {
		return b.uploadEnded(context.Cause(ctx))
	}
	if len(refused) > 0 {
		slices.Sort(refused)
		return errors.New("no batch was started: some scans cannot be uploaded\n  " + strings.Join(refused, "\n  "))
	}
	return nil
}

// uploadEnded says how far it came, and how to go on.
func (b *batchJob) uploadEnded(err error) error {
	why := err.Error()
	if errors.Is(err, context.Canceled) {
		why = "interrupted"
	}
	next := "the same command goes on from there"
	if b.output == "" {
		next = "without -o there is no journal to go on from"
	}
	return fmt.Errorf("%s; %d of %d scans are to be uploaded yet, no batch was started, and %s", why, len(b.missing()), len(b.set.Sheets), next)
}

// uploadOne uploads a scan and records it. refused is why S3 will not take it; an error
// ends them all.
func (b *batchJob) uploadOne(ctx context.Context, s *scans.Sheet) (refused string, err error) {
	for try := 0; ; try++ {
		id, err := b.relay.upload(ctx, omr.Document{Size: s.Size, Open: s.Open}, func(int) {})
		if err == nil {
			if err := b.journal.Submitted(b.uploadKey(s.Content), id); err != nil {
				return "", err
			}
			return "", nil
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		v := recognition.Judge(err)
		switch {
		case v.Refused:
			return v.Why, nil
		case (v.Later || v.Unknown) && try < maxTries:
		default:
			return "", errors.New(v.Why)
		}
		if !b.pause(ctx, max(v.Wait, backoff(try))) {
			return "", context.Cause(ctx)
		}
	}
}

// backoff is 1 s, 2 s, … 30 s.
func backoff(try int) time.Duration { return min(time.Second<<min(try, 5), 30*time.Second) }

// forgetUploads has the next batch upload again: it may be started after the bucket has
// let go of these.
func (b *batchJob) forgetUploads() error {
	var err error
	for i := range b.set.Sheets {
		if key := b.uploadKey(b.set.Sheets[i].Content); b.uploaded(&b.set.Sheets[i]) != "" {
			err = errors.Join(err, b.journal.Finish(key, journal.Result{Status: batchSucceeded}))
		}
	}
	return err
}
