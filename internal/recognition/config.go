package recognition

import (
	"context"
	"sync"
	"time"

	"omr-relay/internal/journal"
	"omr-relay/internal/omr"
)

// Sheet is one document to be recognized.
type Sheet struct {
	// Key tells what is recognized, how: two sheets with one Key have the same
	// answers, and only one is submitted.
	Key      string
	Document omr.Document
}

// Config is how sheets are recognized. What is not said to be optional is
// required.
type Config struct {
	Client  *omr.Client
	Journal *journal.Journal

	Pattern   omr.Document
	Format    omr.Format
	Threshold *int // optional: the upstream's choice

	// Prepare, if not nil, does what comes before a sheet's submission, may take long
	// and costs nothing. It ends with ctx, at once. Its errors are Client's, and what it
	// did is done again where they say that it may go well later.
	Prepare func(ctx context.Context, sheet Sheet) (Submission, error)

	// Jobs is how many sheets are under way at once.
	Jobs int
	// Resubmit sends sheets again that have no answers, though they were or may
	// have been received.
	Resubmit bool

	// Done, if not nil, is told of each sheet that needs nothing more, by its
	// index; never two at once.
	Done func(sheet int, o Outcome)
	// Waiting, if not nil, is told that calls are held back, why, and how long;
	// never two at once.
	Waiting func(why string, d time.Duration)
}

// Submission submits a sheet in Client's place; its errors are Client's. It is called
// again after one that says that nothing was received. nil leaves the sheet to Client.
type Submission func(ctx context.Context) (id string, err error)

// run is one Run.
type run struct {
	Config
	gate   *gate
	pace   omr.Pace
	stop   context.CancelFunc
	sheets []Sheet
	same   map[string][]int

	telling  sync.Mutex // guards what follows, and calls of Done
	outcomes []Outcome
	failed   error // why the run ends
}

func (r *run) tell(key string, o Outcome) {
	r.telling.Lock()
	defer r.telling.Unlock()
	for _, i := range r.same[key] {
		r.outcomes[i] = o
		if r.Done != nil {
			r.Done(i, o)
		}
	}
}

// recorded is the outcome of a sheet whose result is in the journal.
func (r *run) recorded(key string) (Outcome, error) {
	result, err := r.Journal.Result(key)
	if err != nil {
		return Outcome{}, err
	}
	return judge(result, r.Format), nil
}
