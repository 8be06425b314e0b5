package recognize

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"omr-relay/handler/gateway"
	"omr-relay/internal/callrecord"
	"omr-relay/internal/omr"
)

const (
	// maxFailures is after how many failed calls in a row waiting is given up: the
	// tasks are not lost, and whoever asks later may have more luck.
	maxFailures = 3
	// failureDelay is how long to leave an upstream alone that failed.
	failureDelay = time.Second
	// enough is how many tasks of a round may be not ready before the rest of the
	// round is put off: tasks wait in a queue, and what was submitted later will
	// hardly be ready earlier.
	enough = atOnce
)

// wait asks for the tasks until all are done, until.poll has come, or asking is
// of no use.
func (q *queue) wait(ctx context.Context, client *omr.Client, until limits, tasks []*task) {
	failures := 0
	for failures < maxFailures {
		next, ok := earliest(tasks)
		if !ok {
			return
		}
		if next.After(until.poll) {
			if !q.worthAsking(tasks, until.poll) {
				return
			}
			next = until.poll
		}
		began := time.Now()
		slept := sleep(ctx, time.Until(next))
		callrecord.From(ctx).Waited += time.Since(began)
		if !slept {
			return
		}
		failed, lasting := q.round(ctx, client, dueBy(tasks, next))
		if lasting || ctx.Err() != nil {
			return
		}
		if failures++; !failed {
			failures = 0
		}
		if next.Equal(until.poll) {
			return
		}
	}
}

// resume waits for tasks of an earlier request. How old they are is not known:
// they are asked for at once, and then as if they had been due.
func (q *queue) resume(ctx context.Context, client *omr.Client, until limits, tasks []*task) {
	q.takeUp(tasks)
	now := time.Now()
	if until.poll.Before(now) {
		until.poll = now // asking once is what the request is for
	}
	q.wait(ctx, client, until, tasks)
}

// takeUp has tasks of an earlier request asked for at once.
func (q *queue) takeUp(tasks []*task) {
	now := time.Now()
	for _, t := range tasks {
		if t.id != "" {
			t.submitted, t.due = now.Add(-q.pace.First()), now
		}
	}
}

// worthAsking reports whether one of the tasks may have become ready by the end
// although it is due later: half of its pause is over, and asking is not for
// nothing.
func (q *queue) worthAsking(tasks []*task, end time.Time) bool {
	for _, t := range tasks {
		if t.done() {
			continue
		}
		pause := t.due.Sub(t.submitted.Add(t.pending))
		if end.After(t.submitted) && t.due.Sub(end) <= pause/2 {
			return true
		}
	}
	return false
}

// round asks for tasks that are due, some at a time, and reports whether a call
// failed, and whether further calls would.
func (q *queue) round(ctx context.Context, client *omr.Client, due []*task) (failed, lasting bool) {
	for len(due) > 0 {
		batch := due[:min(atOnce, len(due))]
		due = due[len(batch):]
		each(batch, func(_ int, t *task) { q.ask(ctx, client, t) })
		waiting := 0
		for _, t := range batch {
			if !t.done() {
				waiting++
			}
			if t.err != nil && !t.done() {
				failed = true
				f, ok := errors.AsType[*omr.Failure](t.err)
				lasting = lasting || !ok || f.Lasting()
			}
		}
		if failed || ctx.Err() != nil || waiting >= min(enough, len(batch)) {
			// The rest of the round comes when these are asked for again.
			for _, t := range due {
				t.due = latest(batch)
			}
			return failed, lasting
		}
	}
	return false, false
}

// ask fetches a task's result, if there is one.
func (q *queue) ask(ctx context.Context, client *omr.Client, t *task) {
	began := time.Now()
	age := began.Sub(t.submitted)
	result, err := client.Fetch(ctx, q.service, t.id)
	t.err = err
	switch {
	case err != nil:
		f, ok := errors.AsType[*omr.Failure](err)
		pause := failureDelay
		if ok && f.Ours() {
			t.reason = refused
		}
		if ok && f.Refusal != nil {
			pause = max(pause, f.Refusal.RetryAfter)
		}
		t.due = time.Now().Add(max(pause, q.pace.Again(age)))
	case result.Status.Final():
		t.result, t.status = result, result.Status
		if t.known && result.Status != omr.TaskNotFound && result.Status != omr.ResultDataLost {
			q.pace.Ready(t.pending, age)
		}
	default:
		t.status, t.pending = result.Status, age
		t.due = time.Now().Add(q.pace.Again(age))
	}
}

// sleep reports whether it was not cut short by ctx.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// accepted says where the results will be.
func (q *queue) accepted(ctx context.Context, tasks []*task, until limits, location string) *gateway.Answer {
	record, now := callrecord.From(ctx), time.Now()
	pause := time.Duration(math.MaxInt64)
	ready, lost := 0, 0
	status := omr.Status("")
	for _, t := range tasks {
		if t.err != nil && record.WaitErr == nil {
			record.WaitErr = t.err
		}
		switch {
		case t.id == "":
			lost++
		case t.result != nil:
			ready++
		case !t.done():
			pause = min(pause, t.due.Sub(now))
			if status == "" {
				status = t.status
			}
		}
	}
	seconds := int(min(max(pause, time.Second), 30*time.Second).Round(time.Second) / time.Second)
	answer := jsonAnswer(http.StatusAccepted, struct {
		Location     string `json:"location"`
		Images       int    `json:"images,omitempty"`
		Ready        int    `json:"ready"`
		NotSubmitted int    `json:"not_submitted,omitempty"`
	}{location, len(tasks), ready, lost})
	answer.Header.Set("Location", location)
	answer.Header.Set("Retry-After", strconv.Itoa(seconds))
	if status != "" {
		answer.Header.Set(statusHeader, status.Word())
	}
	until.declare(answer.Header)
	return answer
}
