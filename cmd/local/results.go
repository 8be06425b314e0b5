package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"omr-relay/internal/recognition"
	"omr-relay/internal/table"
)

// exceptions are the sheets that a person must look at, in their order, and then
// the files that are no scans.
func (j *job) exceptions(outcomes []recognition.Outcome) []table.Exception {
	var all []table.Exception
	same := j.set.Same()
	for i, o := range outcomes {
		name := j.set.Sheets[i].Name
		if reason := o.Reason(); reason != "" {
			all = append(all, table.Exception{Image: name, Status: o.Status, Reason: reason})
		} else if same[i] >= 0 {
			all = append(all, table.Exception{Image: name, Status: "duplicate", Reason: "the same content as " + j.set.Sheets[same[i]].Name + "; submitted once"})
		}
	}
	for _, f := range j.set.Faults {
		all = append(all, table.Exception{Image: f.Name, Status: "unreadable", Reason: f.Reason})
	}
	return all
}

// write writes the table, whole, and the exceptions beside it.
func (j *job) write(outcomes []recognition.Outcome, exceptions []table.Exception) error {
	whole := func(w io.Writer) error {
		return table.Write(w, j.format, len(outcomes)+len(j.set.Faults), func(i int) (table.Row, error) {
			if i >= len(outcomes) {
				return table.Row{Image: j.set.Faults[i-len(outcomes)].Name, Status: "unreadable"}, nil
			}
			return j.row(i, outcomes[i])
		})
	}
	if j.output == "" {
		if err := whole(j.stdout); err != nil {
			return fmt.Errorf("printing the table: %w", err)
		}
		return nil
	}
	// The exceptions first: a table without them would look like all is well.
	beside := j.beside("exceptions.csv")
	if len(exceptions) > 0 {
		if err := table.File(beside, func(w io.Writer) error { return table.WriteExceptions(w, exceptions) }); err != nil {
			return err
		}
	} else if err := os.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the exceptions of an earlier run: %w", err)
	}
	return table.File(j.output, whole)
}

func (j *job) row(i int, o recognition.Outcome) (table.Row, error) {
	row := table.Row{Image: j.set.Sheets[i].Name, Status: o.Status, Messages: o.Messages}
	if !o.Answered {
		return row, nil
	}
	result, err := j.journal.Result(j.sheets[i].Key)
	row.Data = result.Data
	return row, err
}

// shownExceptions is how many the summary lists; the file has all.
const shownExceptions = 20

// summarize says how it went, and who must look at what.
func (j *job) summarize(outcomes []recognition.Outcome, exceptions []table.Exception) {
	answered, kept := 0, 0
	for _, o := range outcomes {
		if o.Answered {
			answered++
			if o.Kept {
				kept++
			}
		}
	}
	bold, red, reset := "", "", ""
	if colourful(j.stderr, j.getenv) {
		bold, red, reset = ansiBold, ansiRed, ansiReset
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(j.stderr, format+"\n", args...) }
	samples := ""
	if j.service.sample {
		samples = ": samples of a stand-in; nothing was recognized"
	}
	earlier := ""
	if kept > 0 {
		earlier = fmt.Sprintf(", %d of them from the journal", kept)
	}
	say("%s%d of %d have answers%s%s%s", bold, answered, len(outcomes)+len(j.set.Faults), earlier, samples, reset)
	if len(exceptions) > 0 {
		say("%s%d for a person to look at:%s", red, len(exceptions), reset)
	}
	for i, e := range exceptions {
		if i == shownExceptions && j.output != "" {
			say("  and %d more", len(exceptions)-i)
			break
		}
		say("  %s: %s", printable(e.Image), printable(e.Reason))
	}
	if j.set.Skipped > 0 {
		say("%d other files in the folders are no scans", j.set.Skipped)
	}
	if j.output == "" {
		return
	}
	written := j.output
	if len(exceptions) > 0 {
		written += ", " + j.beside("exceptions.csv")
	}
	say("written: %s", written)
}
