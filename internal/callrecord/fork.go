package callrecord

import (
	"context"
	"slices"
	"time"
)

// Fork returns a context with a Record of its own, for a call that goes beside
// others of the same invocation, and join, which adds that Record to ctx's. join
// is called once, after the call has returned; several may join at the same
// time, but not while ctx's Record is read.
func Fork(ctx context.Context) (forked context.Context, own *Record, join func()) {
	whole := From(ctx)
	forked, own = With(ctx)
	if own.whole = whole.whole; own.whole == nil {
		own.whole = whole
	}
	return forked, own, func() {
		whole.joining.Lock()
		defer whole.joining.Unlock()
		whole.add(own)
	}
}

// add takes over what r knows. Waits for a token are for the same one, so the
// longest counts.
func (r *Record) add(own *Record) {
	if rank(own.Token) > rank(r.Token) {
		r.Token = own.Token
	}
	r.TokenTime = max(r.TokenTime, own.TokenTime)
	r.UsedToken(own.TokenLeft)
	if own.RefreshErr != nil {
		r.RefreshErr = own.RefreshErr
	}
	r.Minting.Add(own.Minting)
	if own.UpstreamStatus != 0 {
		r.UpstreamStatus = own.UpstreamStatus
	}
	r.UpstreamCalls += own.UpstreamCalls
	r.Rejected += own.Rejected
	r.Repairs += own.Repairs
	r.Sent = r.Sent || own.Sent
	r.Tasks = append(r.Tasks, own.Tasks...)
	r.Billable += own.Billable
	r.Polls += own.Polls
}

// UsedToken takes note of a token that was used and still lived for so long, if for
// any time.
func (r *Record) UsedToken(left time.Duration) {
	if left > 0 && (r.TokenLeft == 0 || left < r.TokenLeft) {
		r.TokenLeft = left
	}
}

// rank orders the outcomes by how much they tell of an invocation.
func rank(o Outcome) int { return slices.Index(outcomes, o) }

var outcomes = []Outcome{"", Hit, SoftRefresh, Wait, Mint, Repair}
