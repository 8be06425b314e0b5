package batch

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
	"slices"

	"omr-relay/internal/batch/layout"
	"omr-relay/internal/journal"
	"omr-relay/internal/omr"
	"omr-relay/internal/recognition"
	"omr-relay/internal/table"
)

// ahead is how many results are read while others are written.
const ahead = 64

// tables are the three that are being written, one row at a time.
type tables struct {
	files      [3]*os.File
	buffers    [3]*bufio.Writer
	answers    *csv.Writer
	exceptions *csv.Writer
	columns    []string // of the pattern, in its order
	place      map[string]int
	names      map[int]string // of sheets that others have the content of, by number of row

	answered, excepted int
}

// merge writes the tables from the results, in the order of the manifest. It holds as
// many results as it reads ahead.
func (r *Runner) merge(ctx context.Context, in Input) (*Output, error) {
	_, pattern, err := r.order(ctx, in.Prefix)
	if err != nil {
		return nil, err
	}
	t, err := newTables(pattern)
	if err != nil {
		return nil, unavailable("keeping the tables", err)
	}
	defer t.close()
	body, _, err := r.Files.Read(ctx, manifestKey(in.Prefix))
	if err != nil {
		return nil, unavailable("reading the manifest", err)
	}
	defer body.Close()
	err = r.rows(ctx, callerOf(in.Prefix), body, t.add)
	if err != nil {
		return nil, unavailable("merging the results", err)
	}
	if err := t.flush(); err != nil {
		return nil, unavailable("keeping the tables", err)
	}
	for i, contentType := range []string{"text/csv; charset=utf-8", "application/jsonl", "text/csv; charset=utf-8"} {
		if err := r.store(ctx, layout.TableKey(in.Prefix, layout.Tables[i]), t.files[i], contentType); err != nil {
			return nil, err
		}
	}
	return &Output{Sheets: t.answered + t.excepted, Answered: t.answered, Exceptions: t.excepted}, nil
}

// row is a sheet with its result.
type row struct {
	sheet
	place  int // counted from 1
	result journal.Result
	known  bool
	err    error
}

// rows calls yield with each line of the manifest and its result, in order.
func (r *Runner) rows(ctx context.Context, caller string, manifest io.Reader, yield func(row) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	waiting := make(chan chan row, ahead)
	var broken error
	go func() {
		defer close(waiting)
		lines := json.NewDecoder(bufio.NewReaderSize(manifest, 1<<16))
		for place := 1; ; place++ {
			next := row{place: place}
			if err := lines.Decode(&next.sheet); err != nil {
				if !errors.Is(err, io.EOF) {
					broken = fmt.Errorf("reading the manifest: %w", err)
				}
				return
			}
			one := make(chan row, 1)
			go func() {
				if next.Fault == "" {
					next.result, next.err = r.result(ctx, caller, next.ID)
					next.known = next.err == nil
					if errors.Is(next.err, fs.ErrNotExist) {
						next.err = nil
					}
				}
				one <- next
			}()
			select {
			case waiting <- one:
			case <-ctx.Done():
				return
			}
		}
	}()
	for one := range waiting {
		next := <-one
		if next.err != nil {
			return next.err
		}
		if err := yield(next); err != nil {
			return err
		}
	}
	return errors.Join(broken, ctx.Err())
}

func newTables(pattern []byte) (*tables, error) {
	t := &tables{columns: elementNames(pattern), place: map[string]int{}}
	for i := range t.files {
		file, err := os.CreateTemp("", "table-")
		if err != nil {
			t.close()
			return nil, err
		}
		t.files[i], t.buffers[i] = file, bufio.NewWriterSize(file, 1<<16)
	}
	t.answers, t.exceptions = csv.NewWriter(t.buffers[0]), csv.NewWriter(t.buffers[2])
	t.answers.UseCRLF, t.exceptions.UseCRLF = true, true // RFC 4180, and what spreadsheets write
	head := []string{"image", "status"}
	for i, name := range t.columns {
		t.place[name] = i + 2
		head = append(head, omr.PlainCell(name))
	}
	_ = t.answers.Write(head) // errors show in flush
	_ = t.exceptions.Write([]string{"image", "status", "reason"})
	return t, nil
}

// elementNames are those of a pattern, in its order, each with a name of its own.
func elementNames(pattern []byte) []string {
	var form struct {
		Pages []struct{ Elements []struct{ Name string } }
	}
	_ = json.Unmarshal(trimMark(pattern), &form) // what does not decode has no columns
	var elements []omr.Element
	for _, page := range form.Pages {
		for _, e := range page.Elements {
			elements = append(elements, omr.Element{Name: e.Name})
		}
	}
	var names []string
	for _, e := range table.Named(elements) {
		names = append(names, e.Name)
	}
	return names
}

// add writes a sheet's rows.
func (t *tables) add(r row) error {
	o := recognition.Outcome{Status: "unreadable"}
	switch {
	case r.Fault != "":
	case !r.known:
		o.Status = "not_recognized"
	default:
		o = recognition.OutcomeOf(r.result, omr.CSV)
	}
	record := make([]string, 2+len(t.columns))
	record[0], record[1] = omr.PlainCell(r.Image), omr.PlainCell(o.Status)
	answers := map[string]string{}
	if o.Answered {
		t.answered++
		elements, _ := omr.Elements(r.result.Data) // the outcome says that they can be read
		for _, e := range table.Named(elements) {
			answers[e.Name] = e.Value
			if i, ok := t.place[e.Name]; ok {
				record[i] = omr.PlainCell(e.Value)
			}
		}
	}
	err := t.answers.Write(record)
	line, encodingErr := json.Marshal(struct {
		Image    string            `json:"image"`
		Status   string            `json:"status"`
		Answers  map[string]string `json:"answers,omitempty"`
		Messages []string          `json:"messages,omitempty"`
	}{r.Image, o.Status, answers, o.Messages})
	_, writing := t.buffers[1].Write(append(line, '\n'))
	return errors.Join(err, encodingErr, writing, t.except(r, o))
}

// except lists a sheet that a person must look at, and why.
func (t *tables) except(r row, o recognition.Outcome) error {
	reason := o.Reason()
	switch {
	case r.Fault != "":
		reason = r.Fault
	case !r.known:
		reason = "it was not recognized: the batch ended before; another batch of the same scans goes on from here"
	case reason == "" && r.Same > 0:
		o.Status, reason = "duplicate", fmt.Sprintf("the same content as row %d; submitted once", r.Same)
	}
	if reason == "" {
		return nil
	}
	t.excepted++
	return t.exceptions.Write([]string{omr.PlainCell(r.Image), omr.PlainCell(o.Status), omr.PlainCell(reason)})
}

func (t *tables) flush() error {
	t.answers.Flush()
	t.exceptions.Flush()
	err := errors.Join(t.answers.Error(), t.exceptions.Error())
	for _, b := range t.buffers {
		err = errors.Join(err, b.Flush())
	}
	return err
}

func (t *tables) close() {
	for _, file := range t.files {
		if file != nil {
			discard(file)
		}
	}
}

func trimMark(data []byte) []byte {
	if mark := []byte("\ufeff"); len(data) >= 3 && slices.Equal(data[:3], mark) {
		return data[3:]
	}
	return data
}
