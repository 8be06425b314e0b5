package callrecord

import (
	"sync"
	"time"
)

// stopwatch counts the time during which it was started more often than stopped.
type stopwatch struct {
	mu      sync.Mutex // guards what follows
	running int
	since   time.Time // if running
	total   time.Duration
}

// EnterUpstream says that from now on something is under way with the upstream: a
// call, or the reading of its answer. Each is followed by LeaveUpstream. Both may be
// called concurrently, by forks as well.
func (r *Record) EnterUpstream() {
	s := r.stopwatch()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running++; s.running == 1 {
		s.since = time.Now()
	}
}

// LeaveUpstream says that it is not any more.
func (r *Record) LeaveUpstream() {
	s := r.stopwatch()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running--; s.running == 0 {
		s.total += time.Since(s.since)
	}
}

// UpstreamTime is for how long something was under way with the upstream: of calls
// beside one another it is what all of them took together, and tokens that they
// waited for are left out.
func (r *Record) UpstreamTime() time.Duration {
	s := r.stopwatch()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running > 0 {
		return s.total + time.Since(s.since)
	}
	return s.total
}

// stopwatch is the invocation's own.
func (r *Record) stopwatch() *stopwatch {
	if r.whole != nil {
		return &r.whole.upstream
	}
	return &r.upstream
}
