package batches

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"time"

	"omr-relay/handler/gateway"
	"omr-relay/internal/batch/layout"
	"omr-relay/internal/callrecord"
	"omr-relay/internal/problem"
)

// place is where a batch is: a caller's, by its digest. Another caller's has another
// name, and cannot be asked for.
type place struct{ caller, id string }

func newPlace(ctx context.Context, caller gateway.Caller, id string) place {
	callrecord.From(ctx).Batch = id
	return place{caller.Digest(), id}
}

func (p place) name() string     { return p.caller + "-" + p.id }
func (p place) prefix() string   { return layout.PrefixOf(p.caller, p.id) }
func (p place) location() string { return "batches/" + p.id }

// idOf is the id of the batch that a key names, or a new one where there is no key. The
// key may be what a person wrote: its digest stands for it.
func idOf(caller, key string) string {
	var id [16]byte
	if key == "" {
		_, _ = rand.Read(id[:]) // it does not fail
		return hex.EncodeToString(id[:])
	}
	digest := sha256.Sum256([]byte(caller + " " + key))
	copy(id[:], digest[:])
	return hex.EncodeToString(id[:])
}

// found is a batch that there is.
type found struct {
	place
	Execution

	order layout.Order // without its uploads
}

// find returns a caller's batch. One without an order was never ordered, or is erased.
func (b *Batches) find(ctx context.Context, caller gateway.Caller, id string) (*found, error) {
	if !layout.ValidID(id) {
		return nil, errNotFound()
	}
	p := newPlace(ctx, caller, id)
	o, ordered, err := b.order(ctx, p)
	if err != nil {
		return nil, err
	}
	if !ordered {
		return nil, errNotFound()
	}
	f, err := b.describe(ctx, p, o)
	if err == nil && f == nil {
		err = errNotFound()
	}
	return f, err
}

// describe returns nil for a batch that was not started.
func (b *Batches) describe(ctx context.Context, p place, o layout.Order) (*found, error) {
	e, ok, err := b.cfg.Machine.Describe(ctx, p.name())
	if err != nil || !ok {
		return nil, err
	}
	f := &found{p, e, o}
	if e.Status == Running {
		return f, nil
	}
	erasing, err := b.cfg.Machine.Erasing(ctx, p.name())
	if erasing {
		f.Execution = Execution{Status: Erasing, Started: e.Started, Ended: e.Ended}
	}
	return f, err
}

// known returns the batch that the same request started before, or nil where it is to
// be started.
func (b *Batches) known(ctx context.Context, p place, o *order) (*found, error) {
	there, ordered, err := b.order(ctx, p)
	switch {
	case err != nil:
		return nil, err
	case ordered && there.Request != o.Request:
		return nil, errReused()
	case ordered:
		return b.describe(ctx, p, there)
	}
	_, started, err := b.cfg.Machine.Describe(ctx, p.name())
	if err == nil && started {
		err = &problem.Error{Code: problem.IdempotencyKeyReused,
			Detail: "The Idempotency-Key came before, and its batch has been erased, or has outlived its results. Each batch needs a key of its own. Nothing was submitted."}
	}
	return nil, err
}

// order reads a batch's order, without its uploads, and returns false where there is
// none.
func (b *Batches) order(ctx context.Context, p place) (layout.Order, bool, error) {
	body, _, err := b.cfg.Store.Read(ctx, layout.OrderKey(p.prefix()))
	if errors.Is(err, fs.ErrNotExist) {
		return layout.Order{}, false, nil
	}
	if err != nil {
		return layout.Order{}, false, err
	}
	defer body.Close()
	o, err := layout.Head(body)
	if err != nil {
		return layout.Order{}, false, &problem.Error{Code: problem.BucketUnavailable, RetryAfter: 5 * time.Second, Err: err,
			Detail: "The bucket cannot be used at present. Nothing was submitted.", Reason: "the order of a batch cannot be read"}
	}
	return o, true, nil
}

func errReused() error {
	return &problem.Error{Code: problem.IdempotencyKeyReused,
		Detail: "The Idempotency-Key came before, with another request. Each batch needs a key of its own. Nothing was submitted."}
}

func errNotFound() error {
	return &problem.Error{Code: problem.BatchNotFound,
		Detail: "There is no such batch of this caller's: it was not started, it is erased, or its results have outlived their days."}
}
