package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

//go:embed recorder.go.txt
var recorder []byte

// recordProfile runs the relay through the warm scenarios among those chosen,
// for the same time each, and writes the CPU profile of all to path. It is fit
// for profile-guided optimization, and for go tool pprof.
func (b *bench) recordProfile(ctx context.Context, chosen []scenario, path string) error {
	p, err := b.buildRecorder(ctx)
	if err != nil {
		return err
	}
	each := 10 * time.Second
	if b.quick {
		each = 2 * time.Second
	}
	args := []string{"tool", "pprof", "-proto", "-output", path}
	for i := range chosen {
		s := chosen[i]
		if s.cold || s.share > 0 || s.countTokens {
			continue
		}
		one := filepath.Join(b.dir, s.name+".pprof")
		if err := b.recordScenario(ctx, s, p, one, each); err != nil {
			return fmt.Errorf("scenario %s: %w", s.name, err)
		}
		args = append(args, one)
	}
	if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil { //nolint:gosec // the arguments are this program's
		return fmt.Errorf("merging the profiles: %w\n%s", err, out)
	}
	return nil
}

// buildRecorder builds the relay with the recorder as one more of its files.
func (b *bench) buildRecorder(ctx context.Context) (program, error) {
	source, overlay := filepath.Join(b.dir, "recorder.go"), filepath.Join(b.dir, "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(b.root, "cmd", "relay", "recorder.go"): source,
	}})
	if err != nil {
		return program{}, err
	}
	if err := os.WriteFile(source, recorder, 0o600); err != nil {
		return program{}, err
	}
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		return program{}, err
	}
	return build(ctx, relayName, b.root, "./cmd/relay", filepath.Join(b.dir, "recorder"), "-overlay", overlay, "-pgo=off")
}

// recordScenario makes the scenario's call over and over for that long.
func (b *bench) recordScenario(ctx context.Context, s scenario, p program, path string, long time.Duration) error {
	f, err := fixture(b.root)
	if err != nil {
		return err
	}
	c, err := s.call(f)
	if err != nil {
		return err
	}
	up, err := newUpstream(s.protocol, b.trust, s.far)
	if err != nil {
		return err
	}
	defer up.close() //nolint:errcheck // nothing depends on it any more
	proc, err := b.start(ctx, p, up, nil, "OMR_BENCH_PROFILE="+path)
	if err != nil {
		return err
	}
	if err := proc.ready(ctx); err != nil {
		proc.stop()
		return proc.explain(err)
	}
	for began := time.Now(); time.Since(began) < long; {
		if _, err := proc.call(ctx, c, up); err != nil {
			proc.stop()
			return proc.explain(err)
		}
	}
	return proc.terminate()
}
