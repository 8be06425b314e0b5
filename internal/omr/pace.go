package omr

import (
	"sync"
	"time"
)

// Pace tells when to ask for a task's result: with as few calls as a good latency
// allows, for each may be billed. It learns how long tasks take here, and is
// kept from one invocation to the next. The zero value knows nothing yet. A Pace
// is safe for concurrent use, and never blocks.
//
// It keeps one number: the age at which a task is asked for the first time. That
// falls by a tenth with each task that is ready then, and rises by a fifth or
// more with each that is not; so it comes to rest where about two of three are
// ready (0.2 : 0.1 = 2 : 1, the stochastic approximation of a quantile). A task
// that is late is asked again each time its age has grown by a quarter: what it
// waits in vain is at most a fifth of its time.
type Pace struct {
	mu    sync.Mutex    // guards first
	first time.Duration // 0 if nothing is known
}

const (
	// unknownFirst is where asking begins before anything is known: recognition
	// takes seconds.
	unknownFirst         = 1500 * time.Millisecond
	minFirst, maxFirst   = 200 * time.Millisecond, time.Minute
	minBetween, maxAgain = 300 * time.Millisecond, 5 * time.Second
)

// First returns the age at which a task is asked for the first time.
func (p *Pace) First() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first == 0 {
		return unknownFirst
	}
	return p.first
}

// Again returns how long to wait after a task of that age was not ready.
func (p *Pace) Again(age time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	share := age / 4
	if p.first == 0 {
		share = age / 2 // it could be anywhere: search wider
	}
	return min(max(share, minBetween), maxAgain)
}

// Ready tells of a task that was seen ready at the age of ready, and not ready
// before at the age of pending, which is 0 if it was not asked before.
func (p *Pace) Ready(pending, ready time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	middle := (pending + ready) / 2
	switch {
	case p.first == 0 && pending == 0:
		p.first = ready
	case p.first == 0:
		p.first = middle
	case ready <= p.first*3/2 && pending < p.first:
		p.first -= p.first / 10
	case pending >= p.first:
		// Half the way to where it was: a change of the upstream's is learned
		// within a few tasks.
		p.first = min(max(p.first+p.first/5, (p.first+middle)/2), ready)
	}
	p.first = min(max(p.first, minFirst), maxFirst)
}
