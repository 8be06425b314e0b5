package omr

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Element is one of a form's, with what was marked.
type Element struct{ Name, Value string }

var byteOrderMark = []byte("\ufeff")

var errNoText = errors.New("a result that is not UTF-8")

// Elements reads a CSV result: a line of headings, then a line for each element
// with its name and value.
func Elements(data []byte) (elements []Element, err error) {
	if !utf8.Valid(data) {
		return nil, errNoText
	}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, byteOrderMark)))
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return elements, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading a result: %w", err)
		}
		if len(elements) == 0 && strings.EqualFold(strings.TrimSpace(record[0]), "Element Name") {
			continue
		}
		e := Element{Name: record[0]}
		if len(record) > 1 {
			e.Value = record[1]
		}
		elements = append(elements, e)
	}
}
