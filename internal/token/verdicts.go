package token

import (
	"slices"
	"time"

	"omr-relay/internal/sensitive"
)

// The service bans a pair of client_id and client_secret for 10 minutes after five
// answers of 400, which it counts across the account
// (https://docs.aspose.cloud/total/rate-limits/). Hence these pauses, which are the
// relay's contract: a spurious denial costs seconds, and a pair that is dead is sent
// four times in ten minutes at most.
var denialPauses = []time.Duration{10 * time.Second, 2 * time.Minute, 10 * time.Minute}

// refusalPause is for other answers that no repetition mends at once. They are
// about the endpoint rather than the pair, and so may change at any time.
const refusalPause = 30 * time.Second

// verdict is what the token endpoint has said of a pair of credentials.
type verdict struct {
	pair    sensitive.String // of [secrets.Credentials.Pair]
	denials int              // in a row
	pause   pause            // before the pair is sent again
	failure *exchangeError
}

// verdicts are kept by the pair: neither another version with the same pair nor
// versions that take turns have a dead pair sent over and over, and a pair that was
// stored just now owes nothing to the one before.
type verdicts struct{ all []*verdict }

// against returns the verdict because of which the pair must not be sent now, nil
// if there is none.
func (v *verdicts) against(pair sensitive.String) *verdict {
	if known := v.find(pair); known != nil && known.pause.left() > 0 {
		return known
	}
	return nil
}

func (v *verdicts) find(pair sensitive.String) *verdict {
	for _, known := range v.all {
		if known.pair.Equal(pair) {
			return known
		}
	}
	return nil
}

// add takes note of a failure that is not transient.
func (v *verdicts) add(pair sensitive.String, failure *exchangeError) *verdict {
	// Long enough for what is forgotten not to be sent more often than it may.
	v.all = slices.DeleteFunc(v.all, func(old *verdict) bool { return old.pause.longAgo(denialPauses[len(denialPauses)-1]) })
	known := v.find(pair)
	if known == nil {
		known = &verdict{pair: pair}
		v.all = append(v.all, known)
	}
	known.failure = failure
	switch failure.kind {
	case denied:
		known.pause = pauseFor(denialPauses[min(known.denials, len(denialPauses)-1)])
		known.denials++
	case banned:
		known.pause = pauseFor(failure.retryAfter)
	default:
		known.pause = pauseFor(refusalPause)
	}
	return known
}

// clear forgets a pair that was accepted.
func (v *verdicts) clear(pair sensitive.String) {
	v.all = slices.DeleteFunc(v.all, func(old *verdict) bool { return old.pair.Equal(pair) })
}
