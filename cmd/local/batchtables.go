package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"omr-relay/internal/omr"
	"omr-relay/internal/table"
)

// finish fetches the tables, and then writes them: whole, and the exceptions first, for
// a table without them would look like all is well.
func (b *batchJob) finish(ctx context.Context, state *batchState) error {
	name := batchTable(strings.ToUpper(b.recognizeOptions.format), b.output)
	exceptions, state, err := b.fetch(ctx, state, "exceptions.csv")
	if err != nil {
		return err
	}
	defer discardFile(exceptions)
	answers, state, err := b.fetch(ctx, state, name)
	if err != nil {
		return err
	}
	defer discardFile(answers)
	shown, count, err := readExceptions(exceptions, b.shownExceptions())
	if err != nil {
		return err
	}
	for _, f := range b.set.Faults {
		if count++; len(shown) < b.shownExceptions() {
			shown = append(shown, table.Exception{Image: f.Name, Reason: f.Reason})
		}
	}
	b.exceptional = count > 0
	rows := 0
	whole := func(w io.Writer) (err error) { rows, err = b.copyAnswers(w, answers, name); return err }
	if b.output == "" {
		if err := whole(b.stdout); err != nil {
			return fmt.Errorf("printing the table: %w", err)
		}
		b.summarizeBatch(state, rows, shown, count)
		return nil
	}
	beside := b.beside("exceptions.csv")
	if count > 0 {
		if err := table.File(beside, func(w io.Writer) error { return b.copyExceptions(w, exceptions) }); err != nil {
			return err
		}
	} else if err := os.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the exceptions of an earlier run: %w", err)
	}
	if err := table.File(b.output, whole); err != nil {
		return err
	}
	b.summarizeBatch(state, rows, shown, count)
	return nil
}

// shownExceptions is how many are said; without -o nothing else has them.
func (b *batchJob) shownExceptions() int {
	if b.output == "" {
		return maxBatch
	}
	return shownExceptions
}

// fetch keeps a table on this machine's disk. Where a link has ended, or broke, it asks
// for another.
func (b *batchJob) fetch(ctx context.Context, state *batchState, name string) (*os.File, *batchState, error) {
	file, err := os.CreateTemp("", "omr-relay-table-")
	if err != nil {
		return nil, nil, fmt.Errorf("keeping a table: %w", err)
	}
	for try := 0; ; try++ {
		broken, err := b.relay.table(ctx, state.Results[name], file)
		if err == nil {
			_, err = file.Seek(0, io.SeekStart)
			return file, state, err
		}
		if !broken || try == maxTries {
			discardFile(file)
			return nil, nil, b.goesOn(err.Error())
		}
		if err := errors.Join(file.Truncate(0), rewind(file)); err != nil {
			discardFile(file)
			return nil, nil, fmt.Errorf("keeping a table: %w", err)
		}
		if ctx.Err() != nil || !b.pause(ctx, backoff(try)) {
			discardFile(file)
			return nil, nil, b.interrupted("the batch has ended, and no table was written")
		}
		if again, err := b.relay.batch(ctx, state.ID); err == nil {
			state = again
		}
	}
}

func rewind(file *os.File) error {
	_, err := file.Seek(0, io.SeekStart)
	return err
}

func discardFile(file *os.File) {
	_ = file.Close()
	_ = os.Remove(file.Name()) // the system's folder for such files
}

// readExceptions returns the first of a batch's exceptions, and how many they are.
func readExceptions(file *os.File, most int) (shown []table.Exception, count int, err error) {
	rows := csv.NewReader(bufio.NewReader(file))
	for line := 0; ; line++ {
		row, err := rows.Read()
		switch {
		case errors.Is(err, io.EOF):
			return shown, count, rewind(file)
		case err != nil || len(row) != 3:
			return nil, 0, errors.New("the batch's exceptions.csv cannot be read: it is none of a batch's")
		case line == 0: // the names of the columns
			continue
		}
		if count++; len(shown) < most {
			shown = append(shown, table.Exception{Image: row[0], Status: row[1], Reason: row[2]})
		}
	}
}

// copyExceptions writes the batch's, and the files that were not sent.
func (b *batchJob) copyExceptions(w io.Writer, from io.Reader) error {
	if _, err := io.Copy(w, from); err != nil {
		return err
	}
	rows := newCSV(w)
	for _, f := range b.set.Faults {
		_ = rows.Write([]string{omr.PlainCell(f.Name), "unreadable", omr.PlainCell(f.Reason)}) // errors show in Flush
	}
	rows.Flush()
	return rows.Error()
}

// copyAnswers writes the batch's table as it is, a row more for each file that was not
// sent, and returns how many rows there are.
func (b *batchJob) copyAnswers(w io.Writer, from io.Reader, name string) (count int, err error) {
	if name == "answers.jsonl" {
		lines := &lineCount{w: w}
		if _, err := io.Copy(lines, from); err != nil {
			return 0, err
		}
		encoder := json.NewEncoder(lines)
		for _, f := range b.set.Faults {
			if err := encoder.Encode(struct {
				Image  string `json:"image"`
				Status string `json:"status"`
			}{f.Name, "unreadable"}); err != nil {
				return 0, err
			}
		}
		return lines.n, nil
	}
	rows := csv.NewReader(io.TeeReader(from, w))
	rows.ReuseRecord = true
	columns := 0
	for ; ; count++ {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if _, wrong := errors.AsType[*csv.ParseError](err); wrong {
			return 0, errors.New("the batch's answers.csv cannot be read: it is none of a batch's")
		}
		if err != nil {
			return 0, err
		}
		columns = len(row)
	}
	own := newCSV(w)
	for _, f := range b.set.Faults {
		row := make([]string, max(columns, 2))
		row[0], row[1] = omr.PlainCell(f.Name), "unreadable"
		_ = own.Write(row) // errors show in Flush
	}
	own.Flush()
	return max(count-1, 0) + len(b.set.Faults), own.Error()
}

func newCSV(w io.Writer) *csv.Writer {
	rows := csv.NewWriter(w)
	rows.UseCRLF = true // as the batch's tables have it
	return rows
}

// lineCount counts the lines that are written through it.
type lineCount struct {
	w io.Writer
	n int
}

func (l *lineCount) Write(p []byte) (int, error) {
	l.n += strings.Count(string(p), "\n")
	return l.w.Write(p)
}

// summarizeBatch says how it went, and who must look at what.
func (b *batchJob) summarizeBatch(state *batchState, rows int, shown []table.Exception, count int) {
	bold, red, reset := "", "", ""
	if colourful(b.stderr, b.getenv) {
		bold, red, reset = ansiBold, ansiRed, ansiReset
	}
	b.say("%s%d of %d have answers%s", bold, state.Answered, rows, reset)
	if count > 0 {
		b.say("%s%d for a person to look at:%s", red, count, reset)
	}
	for _, e := range shown {
		b.say("  %s: %s", printable(e.Image), printable(e.Reason))
	}
	if count > len(shown) {
		b.say("  and %d more", count-len(shown))
	}
	if b.set.Skipped > 0 {
		b.say("%d other files in the folders are no scans", b.set.Skipped)
	}
	if b.output == "" {
		return
	}
	written := b.output
	if count > 0 {
		written += ", " + b.beside("exceptions.csv")
	}
	b.say("written: %s", written)
}

// exitStatus is that of a batch whose tables are written.
func (b *batchJob) exitStatus() error {
	if b.exceptional {
		return errSaid
	}
	return nil
}

// ended is why a batch has no tables, in words, and what to do.
func (b *batchJob) ended(state *batchState) error {
	again := "the same command starts another, which pays for nothing that was recognized"
	switch state.Status {
	case batchStopped:
		return fmt.Errorf("the batch %s was stopped; %s", state.ID, again)
	case batchGone, "erasing":
		return fmt.Errorf("the batch %s was erased", state.ID)
	case batchFailed:
	default:
		return fmt.Errorf("the batch %s has ended, and nobody knows how (%s)", state.ID, printable(state.Status))
	}
	why, ok := batchErrors[state.Error]
	if !ok {
		why = "its steps failed (" + printable(state.Error) + "; the log of the stack's BatchFunction says more)"
	}
	return fmt.Errorf("the batch %s failed: %s; once that is mended, %s", state.ID, why, again)
}

// batchErrors are the names by which batches fail.
var batchErrors = map[string]string{
	"BadInput":            "the relay and its batches do not fit together: deploy the stack anew",
	"PatternMissing":      "the pattern was not there, or is none that was generated with a form",
	"TooManySheets":       "it has more sheets, a page each, than the template's MaxSheets allows",
	"NoScans":             "none of its scans was there",
	"CredentialsRejected": "Aspose takes no longer the credentials in the secret (docs/deploying.md has how to store new ones)",
	"Unavailable":         "S3, the token service or Aspose could not be used for a while",
	"Failed":              "of a mistake of the relay's own; its log says which",
	"States.Timeout":      "it took more than two days",
}
