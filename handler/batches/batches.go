// Package batches answers /batches: many scans that are recognized while nobody waits.
// What a batch is asked to do lies in the bucket, and a state machine runs it; which
// bucket and which machine is not known here.
//
// Each file uses those below it:
//
//	batches.go  Post, Get and Delete
//	answer.go   what is told of one
//	find.go     a batch that there is, its caller's own
//	order.go    a request → what a batch is asked to do
//	config.go   Batches, and what they are given
//
// At most once: the order is written before the batch is started, by a write that only
// one of several can make, and a batch has a name that is never given again. So a
// request that comes again with its Idempotency-Key starts a batch that was ordered and
// not started, and tells of one that was.
package batches

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"omr-relay/handler/gateway"
	"omr-relay/handler/input"
	"omr-relay/internal/batch/layout"
	"omr-relay/internal/budget"
	"omr-relay/internal/problem"
)

// busy is when it is worth asking again whether another batch has ended.
const busy = 30 * time.Second

// Post starts a batch, or tells of the one that the request's Idempotency-Key started.
// It changes the request's body.
func (b *Batches) Post(ctx context.Context, req *gateway.Request) (*gateway.Answer, error) {
	key, err := input.IdempotencyKey(req.Header)
	if err != nil {
		return nil, err
	}
	o, err := readOrder(req, b.cfg.MaxSheets)
	if err != nil {
		return nil, err
	}
	p := newPlace(ctx, req.Caller, idOf(req.Caller.Digest(), key))
	if key != "" {
		f, err := b.known(ctx, p, o)
		if err != nil {
			return nil, err
		}
		if f != nil {
			return b.again(ctx, f)
		}
	}
	earliest, err := b.cfg.Machine.Earliest(ctx)
	switch {
	case err != nil:
		return nil, err
	case earliest != "" && earliest != p.name():
		return nil, &problem.Error{Code: problem.BatchRunning, RetryAfter: busy,
			Detail: "Another batch runs, and the stack's batches run one after another: the upstream's limits are those of all together. Nothing was submitted."}
	}
	if err := b.write(ctx, p, o); err != nil {
		return nil, err
	}
	if err := b.cfg.Machine.Start(ctx, p.name(), p.prefix()); err != nil {
		return nil, p.locate(err)
	}
	s := &state{ID: p.id, Name: o.Name, Status: Running}
	answer := s.answer(http.StatusAccepted)
	answer.Header.Set("Location", p.location())
	if o.Resubmit {
		answer.Header.Set("Preference-Applied", "resubmit")
	}
	return answer, nil
}

// write puts into the bucket what the batch is to do. The order comes first: it is the
// one that tells whose the rest is.
func (b *Batches) write(ctx context.Context, p place, o *order) error {
	text, _ := json.Marshal(&o.Order) // plain values always marshal
	created, err := b.cfg.Store.Create(ctx, layout.OrderKey(p.prefix()), bytes.NewReader(text), "application/json")
	if err != nil {
		return err
	}
	if !created {
		there, ok, err := b.order(ctx, p)
		switch {
		case err != nil:
			return err
		case !ok:
			return &problem.Error{Code: problem.RequestInProgress, RetryAfter: time.Second,
				Detail: "A request with this Idempotency-Key is being answered. Nothing was submitted by this one."}
		case there.Request != o.Request:
			return errReused()
		}
	}
	return b.cfg.Store.Write(ctx, layout.PatternKey(p.prefix()), bytes.NewReader(o.pattern), "application/json")
}

// again tells of a batch that the same request started before.
func (b *Batches) again(ctx context.Context, f *found) (*gateway.Answer, error) {
	s, err := b.newState(ctx, f)
	if err != nil {
		return nil, err
	}
	if s.Status == Running {
		answer := s.answer(http.StatusAccepted)
		answer.Header.Set("Location", f.location())
		return answer, nil
	}
	answer := s.answer(http.StatusOK)
	answer.Header.Set("Content-Location", f.location())
	return answer, nil
}

// Get tells how far a batch is, and where its tables are.
func (b *Batches) Get(ctx context.Context, req *gateway.Request, id string) (*gateway.Answer, error) {
	f, err := b.find(ctx, req.Caller, id)
	if err != nil {
		return nil, err
	}
	s, err := b.newState(ctx, f)
	if err != nil {
		return nil, err
	}
	return s.answer(http.StatusOK), nil
}

// settling is how long a batch that was stopped, or failed, is left as it is. Its steps
// run on, as long as Lambda lets them, and write what would outlive the rest; and a
// DELETE that is repeated because its answer was lost must not erase what the first one
// stopped.
const settling = budget.BatchFunction

// Delete stops a batch that runs, and erases one that has ended.
func (b *Batches) Delete(ctx context.Context, req *gateway.Request, id string) (*gateway.Answer, error) {
	f, err := b.find(ctx, req.Caller, id)
	if err != nil {
		return nil, err
	}
	s := &state{ID: f.id, Name: f.order.Name, Status: f.Status, Started: f.Started.UTC()}
	left := settling - time.Since(f.Ended)
	switch {
	case f.Status == Running:
		s.Status, left = Stopped, settling
		err = b.cfg.Machine.Stop(ctx, f.name())
	case (f.Status == Stopped || f.Status == Failed) && left > 0, f.Status == Erasing:
	default:
		s.Status = Erasing
		err = b.cfg.Machine.Erase(ctx, f.name(), f.prefix())
	}
	if err != nil {
		return nil, err
	}
	answer := s.answer(http.StatusAccepted)
	if s.Status == Stopped || s.Status == Failed {
		retryAfter(answer.Header, min(left, settling))
	}
	return answer, nil
}

// locate says on a problem where the batch would be if it was started all the same.
func (p place) locate(err error) error {
	if e, ok := errors.AsType[*problem.Error](err); ok {
		e.Header = http.Header{"Content-Location": {p.location()}}
		e.Detail += " Should the batch have been started all the same, Content-Location is where it is; with the same Idempotency-Key it is started once."
	}
	return err
}
