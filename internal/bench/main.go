// Command bench measures the relay beside two peers: Lambdas with the same job
// as a competent engineer writes them with the usual libraries (see peers). Two
// more rows show what our own code is worth: the relay on lambda.Start, and the
// floor, which is the least that raw sockets need.
//
//	go -C internal/bench run .                     everything, some minutes
//	go -C internal/bench run . -quick              a glance
//	go -C internal/bench run . -scenario json,cold
//	go -C internal/bench run . -also PATH,PATH     other builds of the relay beside it
//	go -C internal/bench run . -profile FILE       no peers: record a CPU profile
//	go -C internal/bench run . -sizing             no peers: the relay at the memory sizes of Lambda
//
// It needs Linux; the scenario at a CPU quota needs the right to make a cgroup,
// and says so where that is missing. See allocs for the account of allocations.
//
// Every program runs as a process of its own under a Lambda Runtime API that
// writes events as AWS's does, gets the same events one at a time in interleaved
// rounds, and calls the same upstream: over HTTPS, as deployed, and without for
// comparing. What arrived and what came back is compared with what was sent,
// outside of the timing. The ratios are those of the medians, relay to typed
// handler, with the least and the greatest ratio of any one round beside them, and
// relay to floor. The floor speaks HTTP/1.1 in every scenario.
//
// CPU is what the kernel accounts to the process, user and system. Latency is
// from handing out the event to having read the answer. Memory is the process'
// peak resident set (VmHWM).
//
// The exit status is 1 if a body did not arrive as it was sent, or if anything
// else went wrong; a missed goal is no failure.
//
//	main.go        flags
//	programs.go    what is compared, and how it is built
//	scenarios.go   what is measured, and the goals
//	events.go      the events, and the answers they get
//	steady.go      warm processes, interleaved rounds
//	coldstart.go   processes from exec to their first answer
//	process.go     one program running
//	runtime.go     its Runtime API
//	upstream.go    secrets, tokens and upstream
//	exchange.go    the raw upstream's connections, HTTP/1.1
//	frames.go      the same, HTTP/2
//	authority.go   the certificates of TLS scenarios
//	quota.go       cgroups
//	stats.go       medians and ratios
//	report.go      the table
//	profile.go     recording a CPU profile
//	sizing.go      the relay at the memory sizes of Lambda
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the command's flags.
type options struct {
	quick     bool
	scenarios string
	also      string
	profile   string
	sizing    bool
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.BoolVar(&o.quick, "quick", false, "fewer rounds: a glance, not a measurement")
	flags.StringVar(&o.scenarios, "scenario", "", "comma-separated `names`, or parts of them; one of "+strings.Join(names(scenarios), " "))
	flags.StringVar(&o.also, "also", "", "comma-separated `paths` of further bootstraps to run beside the others, such as other builds of the relay")
	flags.StringVar(&o.profile, "profile", "", "run the relay alone through the warm scenarios and write its CPU profile to `file`")
	flags.BoolVar(&o.sizing, "sizing", false, "run the relay alone at the CPU shares of Lambda's memory sizes, and print the table of docs/operations.md")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return o, nil
}

// choose returns the scenarios that the comma-separated parts name: one by its
// whole name, or else all whose names contain the part. No parts are all.
func choose(all []scenario, parts string) ([]scenario, error) {
	if parts == "" {
		return all, nil
	}
	wanted := map[string]bool{}
	for part := range strings.SplitSeq(parts, ",") {
		whole := slices.Contains(names(all), part)
		matches := 0
		for _, name := range names(all) {
			if name == part || !whole && strings.Contains(name, part) {
				wanted[name] = true
				matches++
			}
		}
		if matches == 0 {
			return nil, fmt.Errorf("no scenario is called %q; there are %s", part, strings.Join(names(all), " "))
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(s scenario) bool { return !wanted[s.name] }), nil
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	chosen, err := choose(scenarios, o.scenarios)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "omr-relay-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	b, err := newBench(dir, o.quick)
	if err != nil {
		return err
	}
	if o.profile != "" {
		return b.recordProfile(ctx, chosen, o.profile)
	}
	if o.sizing {
		return b.sizing(ctx, dir, os.Stdout)
	}
	if b.programs, err = buildAll(ctx, b.root, dir, o.also); err != nil {
		return err
	}
	out := newReport(os.Stdout, b.programs)
	out.sizes()
	for i := range chosen {
		s := chosen[i]
		result, err := b.measure(ctx, s)
		if unavailable, ok := errors.AsType[*unavailableError](err); ok {
			out.skipped(s, unavailable)
			continue
		}
		if err != nil {
			return fmt.Errorf("scenario %s: %w", s.name, err)
		}
		out.scenario(s, result)
	}
	out.summary()
	return nil
}

// bench is what all scenarios share.
type bench struct {
	dir      string // temporary
	root     string // of the relay's module
	quick    bool
	programs []program
	trust    *authority
}

func newBench(dir string, quick bool) (*bench, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	trust, err := newAuthority(dir)
	if err != nil {
		return nil, err
	}
	return &bench{dir: dir, root: root, quick: quick, trust: trust}, nil
}

// measure runs one scenario.
func (b *bench) measure(ctx context.Context, s scenario) (series, error) {
	if b.quick {
		s.plan = s.plan.shortened()
	}
	if s.cold {
		return b.coldStarts(ctx, s)
	}
	return b.steady(ctx, s)
}
