package recognize

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"omr-relay/internal/omr"
)

func result(status omr.Status, data string) *omr.Result {
	r := &omr.Result{Status: status}
	if data != "" {
		r.Files = []omr.File{{Type: "Internal", Data: []byte("x")}, {Type: "Csv", Data: []byte(data)}}
	}
	return r
}

func TestTable(t *testing.T) {
	tasks := []*task{
		{name: "a.jpg", result: result(omr.Ok, "\ufeffElement Name,Value,\nQ2,\"A\"\nQ1,\"B,C\"\n")},
		{name: "=cmd()", reason: notSubmitted},
		{name: "c.jpg", result: result(omr.NoAnyResultData, "")},
		{name: "d.jpg", result: result(omr.PartiallyNotFound, "Element Name,Value\r\nQ1,=1+1\r\nQ1,-2\r\n@new,\"say \"\"hi\"\"\"\r\nimage,x\r\n")},
		{name: "e.jpg", result: result(omr.Ok, "\xff\xfe")},
		{name: "f.jpg", result: result(omr.Ok, "Q1\n+49,lone\n\tx,\r")},
	}
	for _, task := range tasks {
		if task.result != nil {
			task.status = task.result.Status
		}
	}
	answer := table(tasks, omr.CSV)
	body, _ := io.ReadAll(answer.Body)
	rows, err := csv.NewReader(strings.NewReader(string(body))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"image", "status", "Q2", "Q1", "Q1 (2)", "'@new", "image (2)", "'+49", "'\tx"},
		{"a.jpg", "Ok", "A", "B,C", "", "", "", "", ""},
		{"'=cmd()", "not_submitted", "", "", "", "", "", "", ""},
		{"c.jpg", "NoAnyResultData", "", "", "", "", "", "", ""},
		{"d.jpg", "PartiallyNotFound", "", "'=1+1", "'-2", `say "hi"`, "x", "", ""},
		{"e.jpg", "result_unreadable", "", "", "", "", "", "", ""},
		{"f.jpg", "Ok", "", "", "", "", "", "lone", ""},
	}
	if fmt.Sprintf("%q", rows) != fmt.Sprintf("%q", want) {
		t.Errorf("rows\n%q, want\n%q", rows, want)
	}
	if got := answer.Header.Get("Omr-Status"); got != "Ok, NoAnyResultData, PartiallyNotFound" {
		t.Errorf("Omr-Status %q", got)
	}
}

func TestHarmless(t *testing.T) {
	for _, cell := range []string{"=1", "+1", "-1", "@x", "\tx", "\rx"} {
		if omr.PlainCell(cell) != "'"+cell {
			t.Errorf("%q is %q", cell, omr.PlainCell(cell))
		}
	}
	for _, cell := range []string{"", "1-1", "A", "'=1", " =1"} {
		if omr.PlainCell(cell) != cell {
			t.Errorf("%q is %q", cell, omr.PlainCell(cell))
		}
	}
}

func TestEntries(t *testing.T) {
	file := func(data string) *omr.Result {
		return &omr.Result{Status: omr.Ok, Files: []omr.File{{Type: "Json", Data: []byte(data)}}}
	}
	tasks := []*task{{result: file(`{"a":1}`), status: omr.Ok}, {result: file("\ufeff[]"), status: omr.Ok}, {result: file("no JSON"), status: omr.Ok},
		{result: file("\xff"), status: omr.Ok}, {reason: refused}}
	var got []string
	for _, e := range entries(tasks) {
		got = append(got, e.Status+" "+string(e.Result))
	}
	if want := []string{`Ok {"a":1}`, "Ok []", `Ok "no JSON"`, "result_unreadable ", "upstream_refused "}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// An id holds the tasks, their order and the format, and nothing else is one.
func TestTaskIDs(t *testing.T) {
	const guid = "0a1b2c3d-0000-4000-8000-00000000000f"
	tasks := []*task{{id: guid}, {id: strings.ToUpper(guid)}, {id: "x_1"}, {reason: notSubmitted}, {reason: submissionUnknown}, {reason: refused}}
	for _, format := range []omr.Format{omr.CSV, omr.JSON} {
		id := identify(tasks, format)
		got, gotFormat, err := tasksOf(id)
		if err != nil || gotFormat != format || len(got) != len(tasks) {
			t.Fatal(len(got), gotFormat, err)
		}
		for i, task := range got {
			if task.id != tasks[i].id || task.reason != tasks[i].reason || task.name != strconv.Itoa(i+1) {
				t.Errorf("%+v, want %+v", task, tasks[i])
			}
		}
		for cut := len(severalPrefix); cut < len(id); cut++ {
			if _, _, err := tasksOf(id[:cut]); err == nil {
				t.Errorf("%q, broken off, is an id", id[:cut])
			}
		}
	}
	most := make([]*task, MaxImages)
	for i := range most {
		most[i] = &task{id: guid}
	}
	if id := identify(most, omr.CSV); len(id) > 1000 {
		t.Errorf("an id of %d characters", len(id))
	}
	if got := identify([]*task{{id: guid}}, omr.CSV); got != guid {
		t.Errorf("the id of one is %q", got)
	}
}

func FuzzTaskID(f *testing.F) {
	f.Add("0a1b2c3d-0000-4000-8000-00000000000f")
	f.Add(identify([]*task{{id: "a"}, {reason: refused}}, omr.JSON))
	f.Fuzz(func(t *testing.T, id string) {
		tasks, format, err := tasksOf(id)
		if err != nil {
			return
		}
		for _, task := range tasks {
			if task.id != "" && !omr.ValidID(task.id) || task.id == "" && task.reason == "" {
				t.Errorf("%q has %+v", id, task)
			}
		}
		if again, _, err := tasksOf(identify(tasks, format)); err != nil || len(again) != len(tasks) {
			t.Errorf("%q again: %v", id, err)
		}
	})
}

func TestFileNames(t *testing.T) {
	for kind, want := range map[string]string{"Png": "page-2.png", "Jpg": "page-2.jpg", "Omr": "form-2.omr", "Pdf": "form-2.pdf", "../x": "form-2.unknown"} {
		if got := fileName(kind, 2); got != want {
			t.Errorf("%s is %s", kind, got)
		}
	}
	if got := fileName("Omr", 1); got != "form.omr" {
		t.Error(got)
	}
}
