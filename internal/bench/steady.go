package main

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"time"
)

// callTimeout is far beyond what any of the calls takes.
const callTimeout = time.Minute

// steady measures warm processes: in each epoch fresh ones, which are called
// in turns.
func (b *bench) steady(ctx context.Context, s scenario) (series, error) {
	f, err := fixture(b.root)
	if err != nil {
		return nil, err
	}
	c, err := s.call(f)
	if err != nil {
		return nil, err
	}
	up, err := newUpstream(s.protocol, b.trust, s.far)
	if err != nil {
		return nil, err
	}
	defer up.close() //nolint:errcheck // nothing depends on it any more
	// This program's own garbage is collected between rounds, not within them.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	out := series{}
	for range s.plan.epochs {
		if err := b.epoch(ctx, s, c, up, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// epoch runs the rounds of one set of processes and adds what they showed.
func (b *bench) epoch(ctx context.Context, s scenario, c call, up *upstream, out series) (err error) {
	minted := make([]int, len(b.programs))
	procs := make([]*process, len(b.programs))
	for i, p := range b.programs {
		var q *quota
		if s.share > 0 {
			if q, err = newQuota(p.name, s.share); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, q.remove()) }()
		}
		before := up.mints()
		if procs[i], err = b.start(ctx, p, up, q, s.env...); err != nil {
			return err
		}
		defer procs[i].stop()
		if err := procs[i].warm(ctx, s, c, up); err != nil {
			return procs[i].explain(err)
		}
		minted[i] += up.mints() - before
	}
	for round := range s.plan.rounds {
		for turn := range procs {
			i := (turn + round) % len(procs) // nobody always follows the same one
			runtime.GC()
			before := up.mints()
			if err := procs[i].round(ctx, s, c, up, out.of(i)); err != nil {
				return procs[i].explain(err)
			}
			minted[i] += up.mints() - before
		}
	}
	for i, proc := range procs {
		peak, err := proc.peak()
		if err != nil {
			return err
		}
		if s.countTokens {
			out.of(i)(tokens, float64(minted[i]))
		} else {
			out.of(i)(peakMemory, float64(peak))
		}
	}
	return nil
}

// warm waits for the first poll and makes the calls that do not count.
func (p *process) warm(ctx context.Context, s scenario, c call, up *upstream) error {
	if err := p.ready(ctx); err != nil {
		return err
	}
	for range s.plan.warmUp {
		if _, err := p.call(ctx, c, up); err != nil {
			return err
		}
	}
	return nil
}

// round makes one round's calls and adds what they cost.
func (p *process) round(ctx context.Context, s scenario, c call, up *upstream, add func(measure, float64)) error {
	before, err := p.cpu()
	if err != nil {
		return err
	}
	latencies := make([]float64, s.plan.calls)
	for i := range latencies {
		r, err := p.call(ctx, c, up)
		if err != nil {
			return err
		}
		latencies[i] = r.answered.Sub(r.handedOut).Seconds()
	}
	after, err := p.cpu()
	if err != nil || s.countTokens {
		return err
	}
	add(cpuPerCall, (after-before).Seconds()/float64(s.plan.calls))
	add(latency, median(latencies))
	return nil
}

// ready waits for the next poll.
func (p *process) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := p.api.ready(ctx)
	return err
}

// call has the process, which has polled, serve the call. It returns when the
// process has polled again and both bodies have been compared.
func (p *process) call(ctx context.Context, c call, up *upstream) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	up.expect(c.reply)
	r, err := p.api.invoke(ctx, c.event)
	if err != nil {
		return r, err
	}
	if _, err := p.api.ready(ctx); err != nil {
		return r, err
	}
	return r, errors.Join(up.verify(c), c.check(r.payload))
}
