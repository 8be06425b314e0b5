package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// The memory sizes, in MB, and what is relayed: over TLS and HTTP/2, as deployed.
var (
	memorySizes = []int{128, 192, 256, 512, 1024, fullCPU}
	payloads    = []struct {
		name string
		call func(fixture []byte) (call, error)
		plan plan
	}{
		{"10 KB", submit(7_000, 400), plan{epochs: 3, rounds: 3, calls: 40, warmUp: 40}},
		{"1 MB", submit(700_000, 50_000), plan{epochs: 3, rounds: 3, calls: 10, warmUp: 5}},
		{"4 MB", submit(2_600_000, 400_000), plan{epochs: 3, rounds: 3, calls: 6, warmUp: 3}},
	}
)

// sizing measures what the relay itself takes of a call at each memory size: from the
// event handed out to the answer read, with an upstream on this machine that answers at
// once. It prints the table of docs/operations.md: medians, and in the last columns the
// CPU time of a call and the most memory that any process took.
func (b *bench) sizing(ctx context.Context, dir string, out io.Writer) error {
	relay, err := build(ctx, relayName, b.root, "./cmd/relay", filepath.Join(dir, relayName))
	if err != nil {
		return err
	}
	b.programs = []program{relay}
	_, _ = fmt.Fprint(out, "| body |")
	for _, memory := range memorySizes {
		_, _ = fmt.Fprintf(out, " %d MB |", memory)
	}
	_, _ = fmt.Fprintf(out, " CPU | peak memory |\n|%s\n", strings.Repeat("---|", len(memorySizes)+3))
	for _, p := range payloads {
		var row strings.Builder
		cpu, peak := 0.0, 0.0
		for _, memory := range memorySizes {
			s := scenario{name: p.name, call: p.call, protocol: tls2, plan: p.plan, share: shareOf(memory)}
			result, err := b.measure(ctx, s)
			if err != nil {
				return fmt.Errorf("%s at %d MB: %w", p.name, memory, err)
			}
			_, _ = fmt.Fprintf(&row, " %.1f ms |", median(result[latency][0])*1000)
			cpu, peak = median(result[cpuPerCall][0]), max(peak, median(result[peakMemory][0]))
		}
		_, _ = fmt.Fprintf(out, "| %s |%s %.1f ms | %.0f MB |\n", p.name, &row, cpu*1000, peak/1e6)
	}
	return nil
}
