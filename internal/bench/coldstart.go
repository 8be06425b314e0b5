package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

// coldStarts measures fresh processes, each from exec to the answer to its
// first event, which waits for it as it does in Lambda. A round's value is the
// median of its executions.
func (b *bench) coldStarts(ctx context.Context, s scenario) (series, error) {
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
	out := series{}
	for range s.plan.rounds {
		one := series{}
		for range s.plan.calls {
			runtime.GC()
			for i, p := range b.programs {
				if err := b.coldStart(ctx, p, c, up, one.of(i)); err != nil {
					return nil, fmt.Errorf("%s: %w", p.name, err)
				}
			}
		}
		for m, values := range one {
			for i := range values {
				out.of(i)(m, median(values[i]))
			}
		}
	}
	return out, nil
}

// coldStart runs one process to its first answer.
func (b *bench) coldStart(ctx context.Context, p program, c call, up *upstream, add func(measure, float64)) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	up.expect(c.reply)
	proc, err := b.start(ctx, p, up, nil)
	if err != nil {
		return err
	}
	defer proc.stop()
	polled, err := proc.api.ready(ctx)
	if err != nil {
		return proc.explain(err)
	}
	cpu, err := proc.cpu()
	if err != nil {
		return err
	}
	add(timeToPoll, polled.Sub(proc.began).Seconds())
	add(cpuToPoll, cpu.Seconds())

	r, err := proc.api.invoke(ctx, c.event)
	if err != nil {
		return proc.explain(err)
	}
	cpu, err = proc.cpu()
	if err != nil {
		return err
	}
	add(timeToAnswer, r.answered.Sub(proc.began).Seconds())
	add(cpuToAnswer, cpu.Seconds())
	if err := errors.Join(up.verify(c), c.check(r.payload)); err != nil {
		return proc.explain(err)
	}
	peak, err := proc.peak()
	if err != nil {
		return err
	}
	add(peakMemory, float64(peak))
	return nil
}
