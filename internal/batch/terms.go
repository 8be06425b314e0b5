package batch

import (
	"crypto/sha256"
	"time"

	"omr-relay/internal/batch/layout"
)

// terms are what of the order counts for each sheet.
type terms struct {
	Threshold *int `json:"threshold,omitempty"`
	// ResubmitBefore is when a person decided that what may have been paid for is to be
	// sent again. What was sent since is not.
	ResubmitBefore time.Time `json:"resubmitBefore,omitzero"`
}

func (t *terms) resubmit() bool { return !t.ResubmitBefore.IsZero() }

func termsOf(o *layout.Order) *terms {
	t := &terms{Threshold: o.Threshold}
	if o.Resubmit {
		t.ResubmitBefore = time.Now().UTC()
	}
	return t
}

// pattern is the batch's.
type pattern struct {
	data   []byte
	digest [sha256.Size]byte
}

// kept is what is read once for all sheets of a batch that an environment sees.
type kept struct {
	prefix, execution string
	pattern           *pattern
	terms             *terms
}
