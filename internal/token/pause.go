package token

import (
	"context"
	"time"
)

// pause is a time during which something is let alone: a refresh that brought
// nothing, repairs that were in vain, the secret that was read a moment ago, a pair
// of credentials that was denied, an endpoint that asked for it. The zero value is
// over.
//
// It goes by the time of day. A clock that was set back ends a pause, which would
// otherwise last for as long as the clock was set back.
type pause struct {
	began  time.Time
	length time.Duration
}

func pauseFor(d time.Duration) pause { return pause{began: wallNow(), length: d} }

// left is how long the pause still lasts, 0 if it is over.
func (p pause) left() time.Duration {
	passed := wallNow().Sub(p.began)
	if passed < 0 {
		return 0
	}
	return max(p.length-passed, 0)
}

// longAgo reports whether the pause has been over for d.
func (p pause) longAgo(d time.Duration) bool { return wallNow().Sub(p.began) >= p.length+d }

// doubled returns a pause from now on that lasts twice as long as p did, within
// these bounds.
func (p pause) doubled(shortest, longest time.Duration) pause {
	return pauseFor(min(max(2*p.length, shortest), longest))
}

// sleep waits for d and reports whether it did. It does not begin a wait that
// would not end before ctx does.
func sleep(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
