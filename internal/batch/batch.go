// Package batch recognizes the scans of a batch, one step at a time, for a state
// machine of AWS Step Functions (statemachine/batch.asl.json). What a step needs and
// what comes of it is in the bucket; between steps go keys, numbers and ids of tasks,
// never names of files or answers: Step Functions keeps them for 90 days.
//
// Each file uses those below it:
//
//	batch.go     Runner: the steps, by their names
//	erase.go     the end of a batch: nothing of it is left
//	merge.go     results → the three tables
//	sheet.go     one sheet: submitted once, and fetched
//	pace.go      a map that goes slower where the upstream asks for it
//	manifest.go  scans → sheets, a page each, in their order
//	pages.go     the pages of PDF and TIFF
//	preflight.go what would be wrong with every sheet
//	order.go     what the batch is asked to do, and with which pattern
//	keys.go      where the steps' own things are in the bucket
//	fault.go     how a step fails, by the name that the state machine knows
package batch

import (
	"context"
	"io"
	"sync"
	"time"

	"omr-relay/internal/batch/layout"
	"omr-relay/internal/bucket"
	"omr-relay/internal/idempotency"
	"omr-relay/internal/omr"
)

// Files is the bucket. What is missing is [io/fs.ErrNotExist].
type Files interface {
	Read(ctx context.Context, key string) (io.ReadCloser, int64, error)
	Find(ctx context.Context, key string) (*bucket.Upload, error)
	Write(ctx context.Context, key string, body io.ReadSeeker, contentType string) error
	Copy(ctx context.Context, from, to string) error
	List(ctx context.Context, prefix string, yield func(bucket.Entry) error) error
	Remove(ctx context.Context, keys []string) error
}

// Tokens is asked for a token before anything is submitted.
type Tokens interface {
	Ensure(ctx context.Context, d time.Duration) (time.Duration, error)
}

// Runner runs the steps. It is safe for concurrent use. Steps block until ctx ends at
// the latest; their errors are [*Fault].
type Runner struct {
	Files  Files
	Ledger *idempotency.Ledger
	Client *omr.Client
	Tokens Tokens
	Map    Map // of the running batches
	// MaxSheets is the most that one batch may have.
	MaxSheets int
	// MaxPages is the most pages that one file may have.
	MaxPages int
	// Most is the concurrency that maps begin with.
	Most int

	pace omr.Pace

	mu       sync.Mutex // guards what follows
	prefix   string     // of the batch at hand
	pattern  []byte
	ordered  *layout.Order
	adjusted time.Time
}

// Input is what a step is given. Which members it has depends on the step.
type Input struct {
	Step string `json:"step"`
	// Prefix is the batch's, and ends in a slash.
	Prefix string `json:"prefix"`
	// Execution is the ARN of the batch's.
	Execution string `json:"execution"`

	// Of one sheet.
	Number    int       `json:"n,string"`
	ID        string    `json:"id"`
	Task      string    `json:"task"`
	Submitted time.Time `json:"submitted"`
}

// Output is what comes of a step, and goes on in the state machine.
type Output struct {
	// Of the manifest: the key of the list of those to be recognized, how many they are,
	// how many at once, and where the map's own results go.
	Items       string `json:"items,omitempty"`
	Sheets      int    `json:"sheets"`
	Concurrency int    `json:"concurrency,omitempty"`
	Work        string `json:"work,omitempty"`

	// Of one sheet, or of erasing: whether it is done, and else after how many seconds
	// to go on.
	State     State      `json:"state,omitempty"`
	Seconds   int        `json:"seconds,omitempty"`
	Task      string     `json:"task,omitempty"`
	Submitted *time.Time `json:"submitted,omitempty"`

	// Of the merge.
	Answered   int `json:"answered,omitempty"`
	Exceptions int `json:"exceptions,omitempty"`
}

// State is how far a sheet is.
type State string

// The states, by which the state machine chooses.
const (
	Submit State = "submit" // again, after Seconds
	Wait   State = "wait"   // for its result, Seconds
	Erase  State = "erase"  // on, after Seconds
	Done   State = "done"
)

// Run runs one step.
func (r *Runner) Run(ctx context.Context, in Input) (*Output, error) {
	if err := validPrefix(in.Prefix); err != nil {
		return nil, err
	}
	switch in.Step {
	case "preflight":
		return r.preflight(ctx, in)
	case "manifest":
		return r.manifest(ctx, in)
	case "submit":
		return r.submit(ctx, in)
	case "fetch":
		return r.fetch(ctx, in)
	case "merge":
		return r.merge(ctx, in)
	case "erase":
		return r.erase(ctx, in)
	default:
		return nil, fault(BadInput, "there is no such step", nil)
	}
}
