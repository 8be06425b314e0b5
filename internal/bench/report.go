package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// report writes the table as the scenarios finish.
type report struct {
	w        io.Writer
	programs []program
	relay    int // their indices; -1 is none
	typed    int
	floor    int
	goals    []string // a line for each
}

func newReport(w io.Writer, programs []program) *report {
	index := func(name string) int {
		return slices.IndexFunc(programs, func(p program) bool { return p.name == name })
	}
	r := &report{w: w, programs: programs, relay: index(relayName), typed: index(typedName), floor: index(floorName)}
	r.line("", func(i int) string { return programs[i].name }, "ratio", "spread", "× floor", "goal")
	return r
}

// line writes a row: what it is about, a cell for each program, and the rest.
func (r *report) line(title string, cell func(i int) string, of, spread, floor, verdict string) {
	var row strings.Builder
	fmt.Fprintf(&row, "%-22s", title)
	for i := range r.programs {
		fmt.Fprintf(&row, "%13s", cell(i))
	}
	fmt.Fprintf(&row, "%8s  %-12s%8s  %s", of, spread, floor, verdict)
	r.print(strings.TrimRight(row.String(), " ") + "\n")
}

func (r *report) print(text string) { _, _ = io.WriteString(r.w, text) }

// sizes writes the size of the binaries.
func (r *report) sizes() {
	of := float64(r.programs[r.relay].size) / float64(r.programs[r.typed].size)
	r.line("binary", func(i int) string { return megabytes(float64(r.programs[i].size)) }, twoDigits(of), "", "", "")
}

// scenario writes the rows of a scenario.
func (r *report) scenario(s scenario, result series) {
	r.print("\n" + s.title + " (" + s.name + ")\n")
	for _, m := range measures {
		values, ok := result[m]
		if !ok {
			continue
		}
		of, low, high := ratio(values[r.relay], values[r.typed])
		floor := ""
		if r.floor >= 0 && m != tokens {
			over, _, _ := ratio(values[r.relay], values[r.floor])
			floor = twoDigits(over)
		}
		verdict := s.goals[m].verdict(m, of, median(values[r.relay]))
		r.line("  "+string(m), func(i int) string { return m.format(median(values[i])) },
			twoDigits(of), twoDigits(low)+"–"+twoDigits(high), floor, verdict)
		if verdict != "" {
			r.goals = append(r.goals, fmt.Sprintf("%-15s %-22s ratio %-6s goal %s", s.name, m, twoDigits(of), verdict))
		}
	}
}

// summary lists the goals of the scenarios that were run.
func (r *report) summary() {
	if len(r.goals) > 0 {
		r.print("\nGoals\n  " + strings.Join(r.goals, "\n  ") + "\n")
	}
}

// skipped says why a scenario was not run.
func (r *report) skipped(s scenario, why error) {
	r.print(fmt.Sprintf("\n%s (%s)\n  not run: %v\n", s.title, s.name, why))
}

func (m measure) format(value float64) string {
	switch m {
	case peakMemory:
		return megabytes(value)
	case tokens:
		return strconv.FormatFloat(value, 'f', 0, 64)
	default:
		return milliseconds(value)
	}
}

// verdict is the goal, and whether it is met; empty without a goal.
func (g goal) verdict(m measure, of, value float64) string {
	var met bool
	var text string
	switch {
	case g.ratio > 0:
		met, text = of <= g.ratio, "≤ "+twoDigits(g.ratio)
	case g.most > 0:
		met, text = value <= g.most, "≤ "+m.format(g.most)
	default:
		return ""
	}
	if met {
		return text + " ok"
	}
	return text + " MISS"
}

func twoDigits(x float64) string { return strconv.FormatFloat(x, 'f', 2, 64) }

func megabytes(bytes float64) string { return strconv.FormatFloat(bytes/1e6, 'f', 1, 64) + " MB" }

func milliseconds(seconds float64) string {
	return strconv.FormatFloat(seconds*1000, 'f', 2, 64) + " ms"
}
