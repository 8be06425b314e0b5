package recognition

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// maxHolds is how often in a row the upstream may ask to wait, with no success
	// in between.
	maxHolds = 6
	// maxHold is the longest wait that a run takes part in.
	maxHold = 15 * time.Minute
	// maxUnknown is how many submissions in a row may have been received or not
	// before the run ends: something is wrong, and each costs a person's time.
	maxUnknown = 3
)

// Stopped is why a run ended before all sheets were done. What was submitted is in
// the journal, and the next run goes on from there.
type Stopped struct{ Reason string }

func (s *Stopped) Error() string { return s.Reason }

// ErrInterrupted says that the context ended, and then the submissions that were
// under way.
var ErrInterrupted error = &Stopped{"interrupted"}

// gate lets calls out. Until one submission has gone well they go one by one, so
// that what is wrong with all of them is met once; after one that may or may not
// have been received, again. While the upstream asks to wait, none goes. It is safe
// for concurrent use and holds no lock while anything waits.
type gate struct {
	waiting func(why string, d time.Duration)

	mu      sync.Mutex // guards what follows, and calls of waiting
	proven  bool       // a submission has gone well
	ever    bool       // and so has any call
	busy    bool       // one is out to prove it
	until   time.Time
	holds   int // in a row
	unknown int // submissions in a row
	ended   bool
	changed chan struct{}
}

func newGate(waiting func(string, time.Duration)) *gate {
	if waiting == nil {
		waiting = func(string, time.Duration) {}
	}
	return &gate{waiting: waiting, changed: make(chan struct{})}
}

// enter waits until a submission may go out. leave must be told how it went; it
// returns a *Stopped if that ends the run.
func (g *gate) enter(ctx context.Context) (leave func(verdict) error, err error) {
	for {
		if ctx.Err() != nil {
			return nil, errEnded
		}
		g.mu.Lock()
		if g.ended {
			g.mu.Unlock()
			return nil, errEnded
		}
		wait, changed := time.Until(g.until), g.changed
		if wait <= 0 && (g.proven || !g.busy) {
			alone := !g.proven
			g.busy = g.busy || alone
			g.mu.Unlock()
			return func(v verdict) error { return g.leave(v, alone) }, nil
		}
		g.mu.Unlock()
		if err := await(ctx, wait, changed); err != nil {
			return nil, err
		}
	}
}

// await returns when wait is over, if there is one, or something has changed.
func await(ctx context.Context, wait time.Duration, changed <-chan struct{}) error {
	var over <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-ctx.Done():
		return errEnded
	case <-over:
	case <-changed:
	}
	return nil
}

func (g *gate) leave(v verdict, alone bool) error {
	err := g.hold(v)
	g.mu.Lock()
	defer g.mu.Unlock()
	if alone {
		g.busy = false
	}
	switch v.kind {
	case good, refused:
		g.proven, g.unknown = true, 0
	case unknown:
		g.proven = false
		if g.unknown++; g.unknown >= maxUnknown {
			err = &Stopped{"the last submissions may have been received or not (" + v.why + "): nothing more is sent"}
		}
	}
	g.ended = g.ended || err != nil
	close(g.changed)
	g.changed = make(chan struct{})
	return err
}

// pass waits while the upstream asks for it.
func (g *gate) pass(ctx context.Context) error {
	for {
		g.mu.Lock()
		wait := time.Until(g.until)
		g.mu.Unlock()
		if wait <= 0 {
			return nil
		}
		if !Sleep(ctx, wait) {
			return errEnded
		}
	}
}

// hold keeps calls back as a verdict says. Several that were out at once and are
// told the same count once.
func (g *gate) hold(v verdict) error {
	if v.kind == fatal {
		return &Stopped{v.why}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if v.kind == good || v.kind == refused {
		g.holds, g.ever = 0, true
	}
	if v.kind != later {
		return nil
	}
	now := time.Now()
	if v.wait == 0 {
		v.wait = min(time.Second<<g.holds, 30*time.Second)
	}
	if v.wait > maxHold {
		return &Stopped{fmt.Sprintf("%s, and to come back in %v: run the same command then", v.why, v.wait.Round(time.Second))}
	}
	until := now.Add(v.wait)
	if !now.Before(g.until) {
		if g.holds++; g.holds > maxHolds {
			return &Stopped{fmt.Sprintf("%s, %d times in a row: run the same command later", v.why, g.holds)}
		}
		g.waiting(v.why, v.wait)
	}
	if until.After(g.until) {
		g.until = until
	}
	return nil
}

// passed tells of a call that went well.
func (g *gate) passed() { _ = g.hold(passed) }

// hasPassed reports whether any call has gone well.
func (g *gate) hasPassed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ever
}

// Sleep waits, or returns false if ctx ended before.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

var errEnded = errors.New("the run has ended")
