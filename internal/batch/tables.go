package batch

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"omr-relay/internal/journal"
	"omr-relay/internal/omr"
	"omr-relay/internal/recognition"
	"omr-relay/internal/table"
)

// maxColumns is what a table may have: what spreadsheets take.
const maxColumns = 16_384

// tables are written one row at a time: answers.jsonl, and exceptions.csv, as the
// results come; answers.csv from answers.jsonl, once all columns are known.
type tables struct {
	drafts [3]*draft // in the order of layout.Tables

	exceptions *csv.Writer
	columns    []string // of the pattern, in its order, then what else results have
	place      map[string]int

	rows, answered, excepted int
}

// row is a sheet with its result.
type row struct {
	sheet

	result journal.Result
	ok     bool // there is one
}

// line is a row of answers.jsonl.
type line struct {
	Image    string            `json:"image"`
	Status   string            `json:"status"`
	Answers  map[string]string `json:"answers,omitempty"`
	Messages []string          `json:"messages,omitempty"`
}

func newTables(pattern []byte) (*tables, error) {
	t := &tables{place: map[string]int{}}
	for i := range t.drafts {
		d, err := newDraft()
		if err != nil {
			t.remove()
			return nil, err
		}
		t.drafts[i] = d
	}
	for _, name := range elementNames(pattern) {
		t.column(name)
	}
	t.exceptions = csv.NewWriter(t.drafts[2])
	t.exceptions.UseCRLF = true // RFC 4180, and what spreadsheets write
	return t, t.exceptions.Write([]string{"image", "status", "reason"})
}

// column gives an element its place, if there is room.
func (t *tables) column(name string) {
	if _, ok := t.place[name]; !ok && len(t.columns) < maxColumns-2 {
		t.place[name] = len(t.columns)
		t.columns = append(t.columns, name)
	}
}

// elementNames are those of a pattern, in its order, each with a name of its own.
func elementNames(pattern []byte) []string {
	var form struct {
		Pages []struct{ Elements []struct{ Name string } }
	}
	_ = json.Unmarshal(bytes.TrimPrefix(pattern, []byte("\ufeff")), &form) // what does not decode has no columns
	var elements []omr.Element
	for _, page := range form.Pages {
		for _, e := range page.Elements {
			if e.Name != "" {
				elements = append(elements, omr.Element{Name: e.Name})
			}
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
	t.rows++
	o := recognition.Outcome{Status: unreadable}
	switch {
	case r.Fault != "":
	case !r.ok:
		o.Status = notRecognized
	default:
		o = recognition.OutcomeOf(r.result, omr.CSV)
	}
	next := line{Image: r.Image, Status: o.Status, Messages: o.Messages}
	if o.Answered {
		t.answered++
		elements, _ := omr.Elements(r.result.Data) // the outcome says that they can be read
		next.Answers = make(map[string]string, len(elements))
		for _, e := range table.Named(elements) {
			next.Answers[e.Name] = e.Value
			t.column(e.Name)
		}
	}
	return errors.Join(json.NewEncoder(t.drafts[1]).Encode(next), t.except(r, o))
}

// except lists a sheet that a person must look at, and why.
func (t *tables) except(r row, o recognition.Outcome) error {
	why := reason(o)
	switch {
	case r.Fault != "":
		why = r.Fault
	case !r.ok:
		why = "there is no result: the batch ended before, or it was erased; another batch of the same scans goes on from here"
	case why == "" && r.Same != "":
		o.Status, why = duplicate, "the same content as "+r.Same+"; submitted once"
	}
	if why == "" {
		return nil
	}
	t.excepted++
	return t.exceptions.Write([]string{omr.PlainCell(r.Image), omr.PlainCell(o.Status), omr.PlainCell(why)})
}

// finish writes what is left to be written.
func (t *tables) finish() error {
	t.exceptions.Flush()
	if err := t.exceptions.Error(); err != nil {
		return fmt.Errorf("writing exceptions: %w", err)
	}
	lines, err := t.drafts[1].read()
	if err != nil {
		return err
	}
	answers := csv.NewWriter(t.drafts[0])
	answers.UseCRLF = true
	record := []string{"image", "status"}
	for _, name := range t.columns {
		record = append(record, omr.PlainCell(name))
	}
	_ = answers.Write(record) // errors show in the end
	decoder := json.NewDecoder(lines)
	for {
		var next line
		err := decoder.Decode(&next)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading the answers: %w", err)
		}
		clear(record)
		record[0], record[1] = omr.PlainCell(next.Image), omr.PlainCell(next.Status)
		for name, value := range next.Answers {
			if i, ok := t.place[name]; ok {
				record[2+i] = omr.PlainCell(value)
			}
		}
		_ = answers.Write(record)
	}
	answers.Flush()
	return answers.Error()
}

func (t *tables) remove() {
	for _, d := range t.drafts {
		if d != nil {
			d.remove()
		}
	}
}
