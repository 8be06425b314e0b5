// Package table makes one table of the answers of many sheets: CSV with a row per
// sheet, JSON or XML with an entry per sheet. It holds one sheet's answers in
// memory at a time.
//
//	table.go    Write: the table
//	results.go  what the upstream's results say
//	file.go     a file that appears whole or not at all
package table

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"omr-relay/internal/omr"
)

// Row is a sheet in the table.
type Row struct {
	Image  string // the sheet's name
	Status string
	// Data is the upstream's result in the table's format; none if there are no
	// answers.
	Data     []byte
	Messages []string // in JSON and XML
}

// Rows returns the i-th row, and may be asked for it more than once.
type Rows func(i int) (Row, error)

// Write writes the table of n rows. Of a result that is none it writes the Status
// [Unreadable]. Errors are w's and rows' own.
func Write(w io.Writer, format omr.Format, n int, rows Rows) error {
	switch format {
	case omr.JSON:
		return writeJSON(w, n, rows)
	case omr.XML:
		return writeXML(w, n, rows)
	default:
		return writeCSV(w, n, rows)
	}
}

// Unreadable is the status of a result that cannot stand in a table.
const Unreadable = "result_unreadable"

// writeCSV reads the rows twice: once for the columns, which are in the order of
// the first result that has them.
func writeCSV(w io.Writer, n int, rows Rows) error {
	columns := []string{"image", "status"}
	place := map[string]int{"image": 0, "status": 1}
	for i := range n {
		row, err := rows(i)
		if err != nil {
			return err
		}
		elements, _ := omr.Elements(row.Data) // its row will say so
		for _, e := range Named(elements) {
			if _, known := place[e.Name]; !known {
				place[e.Name] = len(columns)
				columns = append(columns, e.Name)
			}
		}
	}
	table := csv.NewWriter(w)
	table.UseCRLF = true // RFC 4180, and what spreadsheets write
	record := make([]string, len(columns))
	for i, name := range columns {
		record[i] = omr.PlainCell(name)
	}
	if err := table.Write(record); err != nil {
		return err
	}
	for i := range n {
		row, err := rows(i)
		if err != nil {
			return err
		}
		clear(record)
		elements, err := omr.Elements(row.Data)
		if err != nil {
			row.Status, elements = Unreadable, nil
		}
		record[0], record[1] = omr.PlainCell(row.Image), omr.PlainCell(row.Status)
		for _, e := range Named(elements) {
			record[place[e.Name]] = omr.PlainCell(e.Value)
		}
		if err := table.Write(record); err != nil {
			return err
		}
	}
	table.Flush()
	return table.Error()
}

// Named gives each element a name of its own: one may come twice, or be called
// like a column of the table's.
func Named(elements []omr.Element) []omr.Element {
	taken := map[string]int{"image": 1, "status": 1} // and how often
	for i, e := range elements {
		name := e.Name
		for taken[name] > 0 {
			taken[e.Name]++
			name = fmt.Sprintf("%s (%d)", e.Name, taken[e.Name])
		}
		taken[name]++
		elements[i].Name = name
	}
	return elements
}

func writeJSON(w io.Writer, n int, rows Rows) error {
	if _, err := io.WriteString(w, "["); err != nil {
		return err
	}
	for i := range n {
		row, err := rows(i)
		if err != nil {
			return err
		}
		entry := struct {
			Image    string          `json:"image"`
			Status   string          `json:"status"`
			Result   json.RawMessage `json:"result,omitempty"`
			Messages []string        `json:"messages,omitempty"`
		}{Image: row.Image, Status: row.Status, Messages: row.Messages}
		if data := bytes.TrimPrefix(row.Data, byteOrderMark); len(data) > 0 && json.Valid(data) {
			entry.Result = data
		} else if len(data) > 0 {
			entry.Status = Unreadable
		}
		line, err := json.Marshal(entry)
		if err != nil {
			return fmt.Errorf("encoding a row: %w", err)
		}
		before := ",\n"
		if i == 0 {
			before = "\n"
		}
		if _, err := fmt.Fprintf(w, "%s%s", before, line); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "\n]\n")
	return err
}

func writeXML(w io.Writer, n int, rows Rows) error {
	if _, err := io.WriteString(w, xml.Header+"<Sheets>\n"); err != nil {
		return err
	}
	for i := range n {
		row, err := rows(i)
		if err != nil {
			return err
		}
		result, err := root(row.Data)
		if err != nil {
			row.Status, result = Unreadable, nil
		}
		entry := struct {
			XMLName  xml.Name `xml:"Sheet"`
			Image    string   `xml:"image,attr"`
			Status   string   `xml:"status,attr"`
			Messages []string `xml:"Message"`
			Result   []byte   `xml:",innerxml"`
		}{Image: row.Image, Status: row.Status, Result: result}
		for _, message := range row.Messages {
			var text bytes.Buffer
			if err := xml.EscapeText(&text, []byte(message)); err != nil {
				return err
			}
			entry.Result = fmt.Appendf(entry.Result, "<Message>%s</Message>", &text)
		}
		line, err := xml.Marshal(entry)
		if err != nil {
			return fmt.Errorf("encoding a row: %w", err)
		}
		if _, err := fmt.Fprintf(w, "%s\n", line); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "</Sheets>\n")
	return err
}

// Exception is a sheet that a person must look at.
type Exception struct{ Image, Status, Reason string }

// WriteExceptions writes them as CSV.
func WriteExceptions(w io.Writer, all []Exception) error {
	table := csv.NewWriter(w)
	table.UseCRLF = true
	err := table.Write([]string{"image", "status", "reason"})
	for _, e := range all {
		err = errors.Join(err, table.Write([]string{omr.PlainCell(e.Image), omr.PlainCell(e.Status), omr.PlainCell(e.Reason)}))
	}
	table.Flush()
	return errors.Join(err, table.Error())
}
