package idempotency

import (
	"encoding/json"
	"time"

	"omr-relay/internal/problem"
)

// recordVersion is of the record's form.
const recordVersion = 1

// state is how far a request has come.
type state string

const (
	intended  state = "intended"  // it may be submitted, until Until
	submitted state = "submitted" // Task is what came of it
	released  state = "released"  // it was not submitted
)

// record is what is stored of a request: digests, times, and ids of tasks, which
// open nothing to who may not call the upstream.
type record struct {
	Version int       `json:"version"`
	Request string    `json:"request"` // the fingerprint
	State   state     `json:"state"`
	Task    string    `json:"task,omitempty"`
	Attempt string    `json:"attempt"` // whose it is
	Until   time.Time `json:"until"`
	Created time.Time `json:"created"`
}

func (r record) text() []byte {
	text, _ := json.Marshal(r) // plain values always marshal
	return text
}

func (r record) same(other record) bool {
	return r.State == other.State && r.Task == other.Task && r.Until.Equal(other.Until)
}

// parse reads a record. Whatever one stood for that cannot be read must not be paid
// for again.
func parse(data []byte) (record, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil || r.Version != recordVersion {
		return r, &problem.Error{Code: problem.BucketUnavailable, RetryAfter: 30 * time.Second, Reason: "the record of an Idempotency-Key cannot be read",
			Detail: "What is known of this Idempotency-Key cannot be read. Nothing was submitted by this request."}
	}
	return r, nil
}

// errTakenOver is for a record that another wrote while its time was not over.
var errTakenOver error = &problem.Error{Code: problem.Internal, Reason: "the record of an Idempotency-Key was written by another invocation"}
