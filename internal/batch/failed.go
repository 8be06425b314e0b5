package batch

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"omr-relay/internal/omr"
	"omr-relay/internal/recognition"
)

// judged is what a failed call means: for its sheet, or for all, which end with the
// fault.
func (r *Runner) judged(ctx context.Context, in Input, err error) (recognition.Judgement, error) {
	v := recognition.Judge(err)
	if _, ok := errors.AsType[*omr.Failure](err); !ok {
		// None of the client's: nobody knows how far the call came.
		return recognition.Judgement{Unknown: true, Why: "the call ended in a way that nobody knows"}, nil
	}
	if f, ok := errors.AsType[*omr.Failure](err); ok && v.Later && f.Refusal != nil {
		r.slow(ctx, in)
	}
	switch {
	case v.Unknown, v.Refused:
		return v, nil
	case rejected(err):
		return v, &Fault{Name: CredentialsRejected, Detail: "the secret's credentials are of no use", Err: err}
	case v.Later:
		return v, nil
	default:
		return v, &Fault{Name: CredentialsRejected, Detail: "Aspose takes no calls", Err: err}
	}
}

const (
	// putOff is how long a sheet waits that could not be submitted, and twice as long
	// each time that follows.
	putOff = 5 * time.Second
	// maxPause is between two calls for a sheet. A child of the map may have 25,000
	// events, and each call costs ten.
	maxPause = 5 * time.Minute
)

// later puts a submission off.
func later(tries int, least time.Duration) *Output {
	pause := max(least, min(putOff<<min(max(tries, 0), 10), maxPause))
	pause += rand.N(pause/4 + 1) //nolint:gosec // spreads load; nobody gains by guessing it
	return &Output{State: Submit, Seconds: seconds(pause), Tries: tries + 1}
}
