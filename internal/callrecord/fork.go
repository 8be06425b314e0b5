package callrecord

import (
	"context"
	"slices"
)

// Fork returns a context with a Record of its own, for a call that goes beside
// others of the same invocation, and join, which adds that Record to ctx's. join
// is called once, after the call has returned; several may join at the same
// time, but not while ctx's Record is read.
func Fork(ctx context.Context) (forked context.Context, own *Record, join func()) {
	whole := From(ctx)
	forked, own = With(ctx)
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
	if own.RefreshErr != nil {
		r.RefreshErr = own.RefreshErr
	}
	if own.UpstreamStatus != 0 {
		r.UpstreamStatus = own.UpstreamStatus
	}
	r.UpstreamCalls += own.UpstreamCalls
	r.Sent = r.Sent || own.Sent
	r.Tasks = append(r.Tasks, own.Tasks...)
	r.Submissions += own.Submissions
	r.Polls += own.Polls
	r.UpstreamTime += own.UpstreamTime
}

// rank orders the outcomes by how much they tell of an invocation.
func rank(o Outcome) int { return slices.Index(outcomes, o) }

var outcomes = []Outcome{"", Hit, SoftRefresh, Wait, Mint, Repair}
