package batch

import (
	"context"
	"io"
	"sync"
	"time"

	"omr-relay/internal/bucket"
	"omr-relay/internal/idempotency"
	"omr-relay/internal/omr"
)

// Files is the bucket. What is missing is [io/fs.ErrNotExist].
type Files interface {
	Read(ctx context.Context, key string) (io.ReadCloser, int64, error)
	Find(ctx context.Context, key string) (*bucket.Upload, error)
	Write(ctx context.Context, key string, body io.ReadSeeker, contentType string) error
	Copy(ctx context.Context, from *bucket.Upload, to string) error
	Renew(ctx context.Context, key string, age time.Duration) error
	List(ctx context.Context, prefix string, yield func(bucket.Entry) error) error
	Remove(ctx context.Context, keys []string) error
}

// Tokens is asked for a token before anything is submitted.
type Tokens interface {
	Ensure(ctx context.Context, d time.Duration) (time.Duration, error)
}

// Map is the state machine's map over the sheets. Its methods block until ctx ends at
// the latest.
type Map interface {
	// Alone reports whether no other execution of the state machine runs that began
	// earlier.
	Alone(ctx context.Context, execution string) (bool, error)
	// Concurrency is how many sheets are under way at once. Without a map, run is empty.
	Concurrency(ctx context.Context, execution string) (run string, now int, err error)
	// SetConcurrency changes it.
	SetConcurrency(ctx context.Context, run string, to int) error
}

// Runner runs the steps. It is safe for concurrent use.
type Runner struct {
	Files Files
	// Records are in the same bucket, by their whole keys.
	Records idempotency.Store
	Client  *omr.Client
	Tokens  Tokens
	Map     Map // of the running batches
	// MaxSheets is the most that one batch may have.
	MaxSheets int
	// MaxPages is the most pages that one file may have.
	MaxPages int
	// Most is the concurrency that maps begin with.
	Most int

	pace omr.Pace

	mu       sync.Mutex // guards what follows; never held over a call
	kept     kept       // of the batch at hand
	raised   time.Time  // when the map was last looked at to go faster
	slowedAt time.Time  // when it was last asked to go slower
}

// Input is what a step is given. Which members it has depends on the step.
type Input struct {
	Step string `json:"step"`
	// Prefix is the batch's, and ends in a slash.
	Prefix string `json:"prefix"`
	// Execution is the ARN of the batch's.
	Execution string `json:"execution"`

	// Scan is a sheet's content, by its digest.
	Scan string `json:"scan"`
	// Tries is how often it was put off.
	Tries int `json:"tries"`

	// Error is the name by which the map failed.
	Error string `json:"error"`

	// Of a sheet that is waited for: what Output had of them.
	Sheet     string    `json:"sheet"`
	Task      string    `json:"task"`
	Submitted time.Time `json:"submitted"`
	Pending   int       `json:"pending"`
}

// Output is what comes of a step, and goes on in the state machine. The state machine
// fails over a member that it looks for and that is not there.
type Output struct {
	// State is what to do next, after Seconds.
	State   State `json:"state"`
	Seconds int   `json:"seconds"`

	// Of the manifest: the key of the list of those to be recognized, where the map's
	// own results go, and how many of them at once.
	Items       string `json:"items,omitempty"`
	Work        string `json:"work,omitempty"`
	Concurrency int    `json:"concurrency,omitempty"`
	// Sheets are those that are still to be recognized. Of the merge: all of them.
	Sheets     int `json:"sheets"`
	Answered   int `json:"answered"`
	Exceptions int `json:"exceptions"`

	// Tries is how often a sheet was put off.
	Tries int `json:"tries"`
	// Of a sheet that is waited for: what its result goes by, its task, when that was
	// submitted, and after how many milliseconds it was last seen not to be ready.
	Sheet     string     `json:"sheet,omitempty"`
	Task      string     `json:"task,omitempty"`
	Submitted *time.Time `json:"submitted,omitempty"`
	Pending   int        `json:"pending"`
}

// State is how far a step, or a sheet, is.
type State string

// The states, by which the state machine chooses.
const (
	Manifest State = "manifest" // on
	Submit   State = "submit"   // again
	Wait     State = "wait"     // for its result
	Erase    State = "erase"    // on
	Done     State = "done"
)

// left is how much of the invocation there is.
func left(ctx context.Context, otherwise time.Duration) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		return time.Until(end)
	}
	return otherwise
}

// seconds is a pause as the state machine takes it.
func seconds(d time.Duration) int { return int(max(d+time.Second-1, time.Second) / time.Second) }
