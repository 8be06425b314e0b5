package batch

import (
	"context"
	"time"
)

// Map is the state machine's map over the sheets. Its methods block until ctx ends at
// the latest.
type Map interface {
	// Alone reports whether no other execution of the state machine runs that began
	// earlier.
	Alone(ctx context.Context, execution string) (bool, error)
	// Concurrency is how many sheets are under way at once.
	Concurrency(ctx context.Context, execution string) (run string, now int, err error)
	// SetConcurrency changes it.
	SetConcurrency(ctx context.Context, run string, to int) error
}

// The upstream's limits are the account's: where it asks to wait, all sheets do.
const (
	// calm is how long the map is left alone after it was slowed down, or sped up.
	calm = time.Minute
)

// slow halves the concurrency. That it cannot is no failure: sheets wait by themselves.
func (r *Runner) slow(ctx context.Context, execution string) {
	r.adjust(ctx, execution, func(now int) int { return now / 2 })
}

// went adds a quarter to it, some time after it was changed.
func (r *Runner) went(ctx context.Context, execution string) {
	r.adjust(ctx, execution, func(now int) int { return now + max(1, now/4) })
}

// adjust changes the concurrency once a minute at most, in this process. Others do the
// same: the more of them are running, the faster it goes down.
func (r *Runner) adjust(ctx context.Context, execution string, to func(now int) int) {
	r.mu.Lock()
	due := r.Most > 0 && time.Since(r.adjusted) >= calm
	if due {
		r.adjusted = time.Now()
	}
	r.mu.Unlock()
	if !due {
		return
	}
	run, now, err := r.Map.Concurrency(ctx, execution)
	if err != nil {
		return
	}
	if next := min(max(to(now), 1), r.Most); next != now {
		_ = r.Map.SetConcurrency(ctx, run, next) // the next one tries again
	}
}
