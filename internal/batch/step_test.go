package batch_test

import (
	"testing"

	"omr-relay/internal/batch"
)

// in is the input of a step of one execution; sheets' is of one scan.
func in(name string, scan ...string) batch.Input {
	i := batch.Input{Step: name, Prefix: exam, Execution: "one"}
	if len(scan) > 0 {
		i.Scan = scan[0]
	}
	return i
}

func step(t *testing.T, p *process, name string) *batch.Output {
	t.Helper()
	out, err := p.runner.Run(t.Context(), in(name))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func submit(t *testing.T, p *process, scan string) *batch.Output {
	t.Helper()
	out, err := p.runner.Run(t.Context(), in("submit", scan))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// next is what a fetch is given after that output.
func next(out *batch.Output) batch.Input {
	i := in("fetch")
	i.Sheet, i.Task, i.Pending = out.Sheet, out.Task, out.Pending
	if out.Submitted != nil {
		i.Submitted = *out.Submitted
	}
	return i
}
