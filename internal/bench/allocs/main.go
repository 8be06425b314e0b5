// Command allocs keeps account of what the relay's own benchmarks allocate, and
// about how long they take.
//
//	go -C internal/bench run ./allocs          run them and rewrite ALLOCS.md
//	go -C internal/bench run ./allocs -check   run them and exit 1 if any allocates more often
//
// It needs nothing but Go. Times are not compared: they belong to the machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
)

// packages are those of the main module whose benchmarks count.
var packages = []string{"./handler", "./internal/token"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "allocs:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	check := flag.Bool("check", false, "compare with the table and leave it as it is")
	root := flag.String("root", "../..", "`directory` of the main module")
	table := flag.String("table", "ALLOCS.md", "`file` of the table")
	flag.Parse()
	now, err := measure(ctx, *root)
	if err != nil {
		return err
	}
	if !*check {
		return os.WriteFile(*table, []byte(format(now)), 0o644) //nolint:gosec // a file of the repository
	}
	text, err := os.ReadFile(*table)
	if err != nil {
		return err
	}
	if grown := compare(parseTable(string(text)), now); len(grown) > 0 {
		return fmt.Errorf("%s does not hold:\n  %s\nIf it must be so: go -C internal/bench run ./allocs", *table, strings.Join(grown, "\n  "))
	}
	return nil
}

// measure runs the benchmarks and returns their rows.
func measure(ctx context.Context, root string) ([]row, error) {
	// A count is the sum over the iterations, divided and rounded down: a pool
	// that fills once does not show. Without a collector no pool is emptied
	// under way, and of several runs the least counts. A parallel benchmark
	// is left out: it counts the starting of its goroutines.
	args := append([]string{"test", "-run", "^$", "-bench", ".", "-benchmem", "-benchtime", "50x", "-count", "5", "-skip", "Parallel$"}, packages...)
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the arguments are this program's
	cmd.Dir = root
	cmd.Env = append(cmd.Environ(), "GOGC=off", "GOMEMLIMIT=2GiB")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("running the benchmarks: %w\n%s", err, out)
	}
	rows := parseBenchmarks(string(out))
	if len(rows) == 0 {
		return nil, fmt.Errorf("no benchmark in %s", strings.Join(packages, " "))
	}
	return rows, nil
}
