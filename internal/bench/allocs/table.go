package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// row is what one operation of a benchmark takes.
type row struct {
	name   string // package and benchmark
	allocs int64
	bytes  int64
	nanos  int64
}

var (
	packageLine = regexp.MustCompile(`^pkg: (\S+)$`)
	resultLine  = regexp.MustCompile(`^(Benchmark\S*?)(?:-\d+)?\s+\d+\s+(\d+)\S* ns/op\s.*?(\d+) B/op\s+(\d+) allocs/op`)
	tableLine   = regexp.MustCompile("^\\| `([^`]+)` \\| *(\\d+) \\| *(\\d+) \\| *(\\d+) \\|$")
)

// parseBenchmarks reads the output of go test -benchmem. Of several runs of a
// benchmark it takes the least.
func parseBenchmarks(text string) []row {
	pkg := ""
	least := map[string]row{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if m := packageLine.FindStringSubmatch(line); m != nil {
			pkg = strings.TrimPrefix(m[1], "omr-relay/")
		}
		m := resultLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		r := row{name: pkg + "." + strings.TrimPrefix(m[1], "Benchmark"), nanos: number(m[2]), bytes: number(m[3]), allocs: number(m[4])}
		if before, ok := least[r.name]; ok {
			r.allocs, r.bytes, r.nanos = min(r.allocs, before.allocs), min(r.bytes, before.bytes), min(r.nanos, before.nanos)
		}
		least[r.name] = r
	}
	rows := make([]row, 0, len(least))
	for _, r := range least {
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.name, b.name) })
	return rows
}

// number reads digits that a pattern has found.
func number(digits string) int64 {
	n, _ := strconv.ParseInt(digits, 10, 64)
	return n
}

// format writes the table. Bytes and times are rounded up to two digits: they
// vary from machine to machine, and nothing compares them.
func format(rows []row) string {
	var out strings.Builder
	out.WriteString("# Allocations per operation\n\n" +
		"Rewritten by `go -C internal/bench run ./allocs`. With `-check` it fails if a count has grown.\n\n" +
		"The times are one machine's, to compare the rows by.\n\n" +
		"| benchmark | allocs/op | B/op, about | ns/op, about |\n|---|---:|---:|---:|\n")
	for _, r := range rows {
		fmt.Fprintf(&out, "| `%s` | %d | %d | %d |\n", r.name, r.allocs, roundUp(r.bytes), roundUp(r.nanos))
	}
	return out.String()
}

func roundUp(n int64) int64 {
	unit := int64(1)
	for n/unit >= 100 {
		unit *= 10
	}
	return (n + unit - 1) / unit * unit
}

func parseTable(text string) []row {
	var rows []row
	for line := range strings.Lines(text) {
		if m := tableLine.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			rows = append(rows, row{name: m[1], allocs: number(m[2]), bytes: number(m[3]), nanos: number(m[4])})
		}
	}
	return rows
}

// compare says what does not hold any more: counts that grew, and benchmarks
// that only one side has. Counts above a hundred, where net/http's goroutines
// race one another, may grow by one in a hundred.
func compare(before, now []row) []string {
	var faults []string
	find := func(rows []row, name string) (row, bool) {
		i := slices.IndexFunc(rows, func(r row) bool { return r.name == name })
		if i < 0 {
			return row{}, false
		}
		return rows[i], true
	}
	for _, old := range before {
		r, ok := find(now, old.name)
		switch {
		case !ok:
			faults = append(faults, old.name+" is gone")
		case r.allocs > old.allocs+old.allocs/100:
			faults = append(faults, fmt.Sprintf("%s: %d allocs/op, %d in the table", r.name, r.allocs, old.allocs))
		}
	}
	for _, r := range now {
		if _, ok := find(before, r.name); !ok {
			faults = append(faults, r.name+" is not in the table")
		}
	}
	return faults
}
