package recognize

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
)

// MaxImages is the most scans that one request may have.
const MaxImages = 40

// task is one that was, or is to be, submitted. One goroutine at a time has it.
type task struct {
	name string    // what its row is called
	body *omr.Task // nil if it was submitted before this request

	// earlier says that it is for an earlier request to have submitted it, or not.
	earlier bool

	id     string
	reason string // why there is no id, or no result for it

	submitted time.Time
	known     bool          // whether submitted is so
	pending   time.Duration // the age at which it was last seen not ready
	due       time.Time     // when it is asked for next
	status    omr.Status    // the last that was seen; empty if none was
	result    *omr.Result   // the last, if it is final
	err       error         // of the last call that failed
}

// The reasons why a scan has no result that are not the upstream's own words.
const (
	notSubmitted      = "not_submitted"      // the upstream has not taken it
	submissionUnknown = "submission_unknown" // it may have, under an id that nobody knows
	refused           = "upstream_refused"   // it would not take it
)

// reasons are encoded in ids by their place in this list: it only grows.
var reasons = []string{notSubmitted, submissionUnknown, refused}

// atOnce is how many calls are under way beside one another.
const atOnce = 4

// failure is why none of the tasks was submitted: what the caller must know first
// is that one may have been.
func failure(tasks []*task) error {
	for _, t := range tasks {
		if t.reason == submissionUnknown {
			return t.err
		}
	}
	return tasks[0].err
}

// each calls do for all tasks, atOnce at a time and begun in their order, and
// returns when all have returned. A panic of do's becomes the task's error.
func each(tasks []*task, do func(i int, t *task)) {
	safely := func(i int) {
		defer func() {
			if cause := recover(); cause != nil {
				tasks[i].err = problem.Panicked(cause)
			}
		}()
		do(i, tasks[i])
	}
	if len(tasks) == 1 {
		safely(0)
		return
	}
	var begun atomic.Int64
	var workers sync.WaitGroup
	for range min(atOnce, len(tasks)) {
		workers.Go(func() {
			for {
				i := int(begun.Add(1)) - 1
				if i >= len(tasks) {
					return
				}
				safely(i)
			}
		})
	}
	workers.Wait()
}

// submitted reports whether there is a task that will have a result.
func submitted(tasks []*task) bool {
	for _, t := range tasks {
		if t.id != "" {
			return true
		}
	}
	return false
}

// mayHaveBeen reports whether one of them may be the upstream's under an id that
// nobody knows.
func mayHaveBeen(tasks []*task) bool {
	return slices.ContainsFunc(tasks, func(t *task) bool { return t.reason == submissionUnknown })
}

// open reports whether a task of an earlier request is still to be submitted: it was
// not, or it may have been and the caller would rather pay again.
func (t *task) open(resubmit bool) bool {
	return t.reason == notSubmitted || t.reason == submissionUnknown && resubmit
}

// done reports whether there is nothing more to ask.
func (t *task) done() bool { return t.result != nil || t.reason != "" }

func earliest(tasks []*task) (at time.Time, ok bool) {
	for _, t := range tasks {
		if !t.done() && (!ok || t.due.Before(at)) {
			at, ok = t.due, true
		}
	}
	return at, ok
}

func dueBy(tasks []*task, at time.Time) (due []*task) {
	for _, t := range tasks {
		// One that is due a moment later is asked for in the same round.
		if !t.done() && !t.due.After(at.Add(minPause)) {
			due = append(due, t)
		}
	}
	return due
}

// latest is when the last of them is due.
func latest(tasks []*task) (at time.Time) {
	for _, t := range tasks {
		if t.due.After(at) {
			at = t.due
		}
	}
	return at
}

// minPause keeps rounds apart.
const minPause = 100 * time.Millisecond

// concluded reports whether every task has come to its end.
func concluded(tasks []*task) bool {
	_, waiting := earliest(tasks)
	// A task alone has no table that could tell why there is no result.
	return !waiting && (len(tasks) > 1 || tasks[0].result != nil)
}

// unanswered returns the failure of tasks of an earlier request of which nothing
// was learned. After a submission it is none: the tasks are there.
func unanswered(tasks []*task) error {
	var err error
	for _, t := range tasks {
		if t.body != nil || t.status != "" {
			return nil
		}
		if err == nil {
			err = t.err
		}
	}
	return err
}
