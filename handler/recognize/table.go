package recognize

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"omr-relay/handler/gateway"
	"omr-relay/internal/omr"
)

// unreadable is the reason of a result that cannot stand in a table.
const unreadable = "result_unreadable"

// table answers with the results of several scans, in their order. A scan that
// failed is in it with its reason.
func table(tasks []*task, format omr.Format) *gateway.Answer {
	var answer *gateway.Answer
	if format == omr.JSON {
		answer = jsonAnswer(http.StatusOK, entries(tasks))
	} else {
		answer = bytesAnswer(http.StatusOK, "text/csv; charset=utf-8; header=present", rows(tasks))
	}
	var statuses []string
	for _, t := range tasks {
		if t.result != nil && !slices.Contains(statuses, t.status.Word()) {
			statuses = append(statuses, t.status.Word())
		}
	}
	if len(statuses) > 0 {
		answer.Header.Set(statusHeader, strings.Join(statuses, ", "))
	}
	return answer
}

// outcome is the task's status, or why there is none, and its file if it has one.
func (t *task) outcome() (string, omr.File) {
	if t.result == nil {
		return t.reason, omr.File{}
	}
	file, _ := resultFile(t.result)
	return t.status.Word(), file
}

type entry struct {
	Image    string          `json:"image"`
	Status   string          `json:"status"`
	Result   json.RawMessage `json:"result,omitempty"`
	Messages []string        `json:"messages,omitempty"`
}

func entries(tasks []*task) []entry {
	all := make([]entry, len(tasks))
	for i, t := range tasks {
		status, file := t.outcome()
		all[i] = entry{Image: t.name, Status: status}
		if t.result != nil {
			all[i].Messages = t.result.Messages
		}
		switch data := bytes.TrimPrefix(file.Data, byteOrderMark); {
		case len(data) == 0:
		case json.Valid(data):
			all[i].Result = data
		case utf8.Valid(data):
			all[i].Result, _ = json.Marshal(string(data))
		default:
			all[i].Status = unreadable
		}
	}
	return all
}

var byteOrderMark = []byte("\ufeff")

// rows writes a row for each scan: its name, its status, and a column for each
// element of the form, in the order of the first result that has it.
func rows(tasks []*task) []byte {
	columns := []string{"image", "status"}
	table := make([]map[string]string, len(tasks))
	for i, t := range tasks {
		status, file := t.outcome()
		elements, err := omr.Elements(file.Data)
		if err != nil {
			status = unreadable
		}
		table[i] = map[string]string{}
		for _, e := range elements {
			name := e.Name
			for n := 2; ; n++ { // an element may come twice, or be called image
				if _, taken := table[i][name]; !taken && name != "image" && name != "status" {
					break
				}
				name = fmt.Sprintf("%s (%d)", e.Name, n)
			}
			table[i][name] = e.Value
			if !slices.Contains(columns, name) {
				columns = append(columns, name)
			}
		}
		table[i]["image"], table[i]["status"] = t.name, status
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	w.UseCRLF = true // RFC 4180, and what spreadsheets write
	record := make([]string, len(columns))
	for i, name := range columns {
		record[i] = omr.PlainCell(name)
	}
	_ = w.Write(record) // a buffer takes everything
	for _, row := range table {
		for i, name := range columns {
			record[i] = omr.PlainCell(row[name])
		}
		_ = w.Write(record)
	}
	w.Flush()
	return out.Bytes()
}
