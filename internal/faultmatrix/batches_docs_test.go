package faultmatrix

import (
	"fmt"
	"slices"
	"strings"
)

// batchesDoc is Step Functions' table as docs/faults.md has it.
func batchesDoc() string {
	var b strings.Builder
	fmt.Fprint(&b, "\n## Step Functions fail, where the stack has batches\n\n| fault |")
	for _, at := range asks {
		fmt.Fprintf(&b, " %s |", at)
	}
	fmt.Fprintf(&b, "\n|---|%s\n", strings.Repeat("---|", len(asks)))
	for _, l := range batchesLines() {
		fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(l.faults, "; "), strings.Join(l.outcomes[:], " | "))
	}
	return b.String()
}

type batchesLine struct {
	faults   []string
	outcomes [6]string // of asks
}

// batchesLines has one for all the faults that look alike to a caller.
func batchesLines() (lines []batchesLine) {
	for _, f := range sfnFaults {
		var outcomes [6]string
		for i, at := range asks {
			outcomes[i] = "–"
			for _, row := range findBatches(at, f) {
				outcomes[i] = row.words()
			}
		}
		i := slices.IndexFunc(lines, func(l batchesLine) bool { return l.outcomes == outcomes })
		if i < 0 {
			i = len(lines)
			lines = append(lines, batchesLine{outcomes: outcomes})
		}
		lines[i].faults = append(lines[i].faults, f.name)
	}
	return lines
}

func (r batchesRow) words() string {
	switch {
	case r.answer == "":
		return "goes through"
	case r.done:
		return "`" + r.answer + "`, *done*"
	default:
		return "`" + r.answer + "`"
	}
}
