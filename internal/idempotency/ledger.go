// Package idempotency has a request that comes again with its Idempotency-Key be
// submitted once: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
//
// Each file uses those below it:
//
//	ledger.go  Begin: is the request new, known, or under way?
//	entry.go   the request at hand, and what becomes of it
//	record.go  what is stored of a request
//
// The order of steps is what keeps a submission from being paid for twice. The
// intent is stored, by a write that only one of several can make; then the request
// is submitted; then its task is stored. A process that dies between the last two
// leaves an intent without a task, and nobody knows whether the upstream took the
// request: that is told, and only the caller decides to pay again.
package idempotency

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"omr-relay/internal/problem"
)

// Store keeps records. Both methods block until ctx ends at the latest, and their
// errors are [*problem.Error].
type Store interface {
	// ReadRecord returns a record and its version, which is empty where there is
	// no record.
	ReadRecord(ctx context.Context, key string) (data []byte, version string, err error)
	// WriteRecord writes a record if it is of that version still; if version is
	// empty, where there is none. ok is false where another write came first, which
	// may have been an attempt of this very call.
	WriteRecord(ctx context.Context, key string, data []byte, version string) (newVersion string, ok bool, err error)
}

// Ledger tells requests that were submitted from those that were not. It is safe
// for concurrent use, by any number of processes with one Store.
type Ledger struct {
	Store Store
	// Life is how long a key is known; 0 is [Life].
	Life time.Duration
	// Pause is the longest time after which whoever meets a request under way is told to
	// come again; 0 is 3 s: usually it is on record long before its invocation ends.
	Pause time.Duration
}

// Life is how long a key is known: as long as the upstream keeps results.
const Life = 24 * time.Hour

// skew is how far clocks may be apart that judge whether an invocation can still be
// under way. Lambda's are within milliseconds of one another.
const skew = 2 * time.Second

// Request is what a key stands for.
type Request struct {
	// Caller and Key name it: one caller's keys are not another's.
	Caller, Key string
	// Fingerprint is the same for the same request, and for no other.
	Fingerprint [sha256.Size]byte
	// Until is when the invocation at hand has certainly ended.
	Until time.Time
	// Resubmit says that the caller would rather pay again than not know.
	Resubmit bool
	// Before, if not zero, is when the caller said so: what was begun later is not
	// submitted again for that.
	Before time.Time
	// Open, if not nil, reports whether of what was submitted a part is still to be: it
	// certainly was not, or Resubmit is for it. It is claimed then, and stored as claim,
	// which says of that part that it may have been: the store may fail from then on.
	Open func(task string) (claim string, open bool)
	// Lost says that the upstream has lost what came of an earlier submission. With
	// Resubmit, it counts as not known.
	Lost bool
}

// Begin returns the request's entry: with its task, if it was submitted before; else
// it is for the caller to submit, and to say so. Errors are [*problem.Error]: another
// request has the key, or this one is under way, or may have been submitted. It makes
// one write where the request is new.
func (l *Ledger) Begin(ctx context.Context, r Request) (*Entry, error) {
	e := &Entry{store: l.Store, name: Name(r.Caller, r.Key), record: record{
		Version: recordVersion, Request: hex.EncodeToString(r.Fingerprint[:]), State: intended,
		Attempt: rand.Text(), Until: r.Until.Add(skew).UTC(), Created: time.Now().UTC(),
	}}
	pause := cmp.Or(l.Pause, inProgressPause)
	claimed, err := e.write(ctx, "")
	// Each round finds that somebody wrote meanwhile.
	for range maxRounds {
		if err != nil {
			return nil, err
		}
		if claimed {
			return e, nil
		}
		var data []byte
		var version string
		if data, version, err = l.Store.ReadRecord(ctx, e.name); err != nil {
			return nil, err
		}
		if version != "" { // else it is gone again
			if done, err := e.meet(data, version, r, cmp.Or(l.Life, Life), pause); done || err != nil {
				return e, err
			}
		}
		claimed, err = e.write(ctx, version)
	}
	if err != nil {
		return nil, err
	}
	return nil, inProgress(time.Second, pause)
}

const maxRounds = 3

// meet says what a record that is there means for the request. done is true where
// there is nothing to be claimed any more.
func (e *Entry) meet(data []byte, version string, r Request, life, pause time.Duration) (done bool, err error) {
	found, err := parse(data)
	switch {
	case err != nil:
		return false, err
	case found.Attempt == e.record.Attempt:
		e.version = version // our own write, whose answer was lost
		return true, nil
	case time.Since(found.Created) >= life:
		return false, nil
	}
	return e.judge(found, version, r, pause)
}

// judge says what a record of the key means for the request. done is true where the
// request has been submitted; without an error, it is to be claimed else.
func (e *Entry) judge(found record, version string, r Request, pause time.Duration) (done bool, err error) {
	e.Task, e.Resubmitted, e.record.Task = "", false, ""
	left := time.Until(found.Until)
	claim, open := found.Task, false
	if found.State == submitted && r.Open != nil {
		claim, open = r.Open(found.Task)
	}
	again := r.Resubmit && (r.Before.IsZero() || found.Created.Before(r.Before))
	switch {
	case found.Request != e.record.Request:
		return false, &problem.Error{Code: problem.IdempotencyKeyReused,
			Detail: "The Idempotency-Key came before, with another request. Each request needs a key of its own. Nothing was submitted."}
	case found.State == submitted && again && r.Lost:
		e.Resubmitted = true
		return false, nil
	case found.State == submitted && open:
		e.record.Task, e.Task, e.before = claim, found.Task, found.Task
		return false, nil
	case found.State == submitted:
		e.record, e.version, e.Task = found, version, found.Task
		return true, nil
	case found.State == released:
		return false, nil
	case left > 0:
		return false, inProgress(left, pause)
	case !again:
		return false, &problem.Error{Code: problem.SubmissionUnknown, Task: found.Task,
			Detail: "The request with this Idempotency-Key was begun and not ended: Aspose may have received it. Sending it again with Prefer: resubmit may be paid for again."}
	}
	e.Resubmitted = true
	e.record.Task, e.Task = found.Task, found.Task
	return false, nil
}

func inProgress(left, pause time.Duration) error {
	return &problem.Error{Code: problem.RequestInProgress, RetryAfter: min(max(left, time.Second), pause),
		Detail: "The request with this Idempotency-Key is being submitted. Nothing was submitted by this one."}
}

const inProgressPause = 3 * time.Second

// Name is where the record of a key is. A key may be what a person wrote: its digest
// stands for it.
func Name(caller, key string) string {
	digest := sha256.Sum256([]byte(key))
	return caller + "/" + hex.EncodeToString(digest[:16])
}
