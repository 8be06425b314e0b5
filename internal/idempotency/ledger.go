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
type Ledger struct{ Store Store }

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
}

// Begin returns the request's entry: with its task, if it was submitted before; else
// it is for the caller to submit, and to say so. Errors are [*problem.Error]: another
// request has the key, or this one is under way, or may have been submitted. It makes
// one write where the request is new.
func (l *Ledger) Begin(ctx context.Context, r Request) (*Entry, error) {
	e := &Entry{store: l.Store, name: name(r), record: record{
		Version: recordVersion, Request: hex.EncodeToString(r.Fingerprint[:]), State: intended,
		Attempt: rand.Text(), Until: r.Until.Add(skew).UTC(), Created: time.Now().UTC(),
	}}
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
			if done, err := e.meet(data, version, r); done || err != nil {
				return e, err
			}
		}
		claimed, err = e.write(ctx, version)
	}
	if err != nil {
		return nil, err
	}
	return nil, inProgress(time.Second)
}

const maxRounds = 3

// meet says what a record that is there means for the request. done is true where
// there is nothing to be claimed any more.
func (e *Entry) meet(data []byte, version string, r Request) (done bool, err error) {
	found, err := parse(data)
	switch {
	case err != nil:
		return false, err
	case found.Attempt == e.record.Attempt:
		e.version = version // our own write, whose answer was lost
		return true, nil
	case time.Since(found.Created) >= Life:
		return false, nil
	}
	return e.judge(found, version, r)
}

// judge says what a record of the key means for the request. done is true where the
// request has been submitted; without an error, it is to be claimed else.
func (e *Entry) judge(found record, version string, r Request) (done bool, err error) {
	left := time.Until(found.Until)
	switch {
	case found.Request != e.record.Request:
		return false, &problem.Error{Code: problem.IdempotencyKeyReused,
			Detail: "The Idempotency-Key came before, with another request. Each request needs a key of its own. Nothing was submitted."}
	case found.State == submitted:
		e.record, e.version, e.Task = found, version, found.Task
		return true, nil
	case found.State == released:
		return false, nil
	case left > 0:
		return false, inProgress(left)
	case !r.Resubmit:
		return false, &problem.Error{Code: problem.SubmissionUnknown, Task: found.Task,
			Detail: "The request with this Idempotency-Key was begun and not ended: Aspose may have received it. Sending it again with Prefer: resubmit may be paid for again."}
	}
	e.Resubmitted = true
	e.record.Task, e.Task = found.Task, found.Task
	return false, nil
}

func inProgress(left time.Duration) error {
	return &problem.Error{Code: problem.RequestInProgress, RetryAfter: min(max(left, time.Second), 30*time.Second),
		Detail: "The request with this Idempotency-Key is being submitted. Nothing was submitted by this one."}
}

// name is where the record is. A key may be what a person wrote: its digest stands
// for it.
func name(r Request) string {
	digest := sha256.Sum256([]byte(r.Key))
	return r.Caller + "/" + hex.EncodeToString(digest[:16])
}
