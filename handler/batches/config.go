package batches

import (
	"context"
	"io"
	"time"
)

// Batches answers /batches. It is safe for concurrent use.
//
// Its methods block until ctx ends at the latest. Errors are [*problem.Error]. Bodies
// of answers are in memory: reading them neither blocks nor fails.
type Batches struct{ cfg Config }

// New returns Batches. It makes no call.
func New(cfg Config) *Batches { return &Batches{cfg} }

// Config is what Batches needs. All is required.
type Config struct {
	// MaxSheets is the most that one batch may have.
	MaxSheets int
	Store     Store
	Machine   Machine
}

// Store is the bucket, by the keys of package layout. Its methods block until ctx ends
// at the latest. What is missing is [io/fs.ErrNotExist]; other errors are
// [*problem.Error].
type Store interface {
	// Read returns an object and its size.
	Read(ctx context.Context, key string) (io.ReadCloser, int64, error)
	// Write stores an object, whatever was there.
	Write(ctx context.Context, key string, body io.ReadSeeker, contentType string) error
	// Create stores an object where there is none. Where there is one, created is
	// false; that may have been an attempt of this very call.
	Create(ctx context.Context, key string, body io.ReadSeeker, contentType string) (created bool, err error)
	// Link returns a URL by which whoever has it may read one object, for some
	// minutes, under a name of its own.
	Link(ctx context.Context, key, name string) (string, error)
}

// Machine runs batches, each under a name that nobody gets again. Its methods block
// until ctx ends at the latest; errors are [*problem.Error].
type Machine interface {
	// Start has a batch run whose prefix that is. One of that name that runs, or ran,
	// stays as it is.
	Start(ctx context.Context, name, prefix string) error
	// Describe returns a batch, and false where there is none of that name.
	Describe(ctx context.Context, name string) (Execution, bool, error)
	// Stop ends a batch. One that has ended stays as it is.
	Stop(ctx context.Context, name string) error
	// Earliest returns the name of the one that has been running for the longest time,
	// or nothing.
	Earliest(ctx context.Context) (string, error)
	// Erase has a batch erased. One that is being erased is erased once.
	Erase(ctx context.Context, name, prefix string) error
	// Erasing reports whether it is.
	Erasing(ctx context.Context, name string) (bool, error)
}

// Execution is how a batch is doing.
type Execution struct {
	Status  Status
	Started time.Time
	Ended   time.Time // zero while it runs
	Error   string    // why it failed, by a name
	Output  string    // what came of it, in JSON
	Sheets  Counts    // of those that are to be recognized; zero before that is known
}

// Status is the word for it.
type Status string

// The statuses.
const (
	Running   Status = "running"
	Succeeded Status = "succeeded"
	Failed    Status = "failed"
	Stopped   Status = "stopped"
	Erasing   Status = "erasing"
)

// Counts are of sheets.
type Counts struct {
	Total   int `json:"total"`
	Done    int `json:"done"`
	Running int `json:"running"`
	Waiting int `json:"waiting"`
}
