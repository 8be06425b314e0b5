package batch

import (
	"context"
	"encoding/json"
	"time"
)

const (
	// calm is how long the map is left alone after it was slowed down, or sped up.
	calm = time.Minute
	// adjusting is how long finding out and changing its concurrency may take.
	adjusting = 10 * time.Second
)

// adjustment is the last change of a map's concurrency, whoever made it.
type adjustment struct {
	At   time.Time `json:"at"`
	Down bool      `json:"down"`
}

// slow halves the concurrency: the upstream's limits are the account's, so where it asks
// one sheet to wait, all should. That it cannot is no failure: sheets wait by themselves.
func (r *Runner) slow(ctx context.Context, in Input) {
	if r.due(&r.slowedAt, calm/6) {
		r.adjust(ctx, in, true, func(now int) int { return max(now/2, 1) })
	}
}

// went adds a tenth of what the map began with.
func (r *Runner) went(ctx context.Context, in Input) {
	if r.due(&r.raised, calm) {
		r.adjust(ctx, in, false, func(now int) int { return min(now+max(r.Most/10, 1), r.Most) })
	}
}

// due reports whether so much time has passed in this process, and begins anew.
func (r *Runner) due(last *time.Time, pause time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Most <= 1 || time.Since(*last) < pause {
		return false
	}
	*last = time.Now()
	return true
}

// adjust changes the concurrency once a minute at most, of all processes together; what
// went up goes down at once. Another one's change at the same time counts.
func (r *Runner) adjust(ctx context.Context, in Input, down bool, to func(now int) int) {
	ctx, cancel := context.WithTimeout(ctx, adjusting)
	defer cancel()
	key := paceKey(in.Prefix)
	data, version, err := r.Records.ReadRecord(ctx, key)
	var last adjustment
	if err != nil || version != "" && json.Unmarshal(data, &last) != nil {
		return
	}
	if time.Since(last.At) < calm && (last.Down || !down) {
		return
	}
	run, now, err := r.Map.Concurrency(ctx, in.Execution)
	if err != nil || run == "" {
		return
	}
	if now == 0 || now > r.Most { // 0 is no limit
		now = r.Most
	}
	next := to(now)
	if next == now {
		return
	}
	text, _ := json.Marshal(adjustment{time.Now().UTC(), down}) // plain values always marshal
	if _, ok, err := r.Records.WriteRecord(ctx, key, text, version); err != nil || !ok {
		return
	}
	_ = r.Map.SetConcurrency(ctx, run, next) // a minute later another one tries
}
