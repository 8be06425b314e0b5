package faultmatrix

import (
	"fmt"
	"slices"
	"strings"
)

// bucketDoc is the bucket's table as docs/faults.md has it.
func bucketDoc() string {
	var b strings.Builder
	fmt.Fprint(&b, "\n## S3 fails, where the stack has its bucket\n\n| fault |")
	for _, at := range steps {
		fmt.Fprintf(&b, " %s |", at)
	}
	fmt.Fprintf(&b, "\n|---|%s\n", strings.Repeat("---|", len(steps)))
	for _, l := range bucketLines() {
		fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(l.faults, "; "), strings.Join(l.outcomes[:], " | "))
	}
	return b.String()
}

type bucketLine struct {
	faults   []string
	outcomes [5]string // of steps
}

// bucketLines has one for all the faults that look alike to a caller.
func bucketLines() (lines []bucketLine) {
	for _, f := range s3Faults {
		var outcomes [5]string
		for i, at := range steps {
			if outcomes[i] = "–"; befalls(f, at) {
				m, _ := findBucket(at, f)
				outcomes[i] = m.words()
			}
		}
		i := slices.IndexFunc(lines, func(l bucketLine) bool { return l.outcomes == outcomes })
		if i < 0 {
			i = len(lines)
			lines = append(lines, bucketLine{outcomes: outcomes})
		}
		lines[i].faults = append(lines[i].faults, f.name)
	}
	return lines
}

func (m met) words() string {
	text := "`" + m.answer + "`"
	if !strings.Contains(m.answer, " ") {
		text = "goes through"
	}
	if m.again == held {
		text += ", *held*"
	}
	return text
}
