package table_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"omr-relay/internal/omr"
	"omr-relay/internal/table"
)

func write(t *testing.T, format omr.Format, rows ...table.Row) string {
	t.Helper()
	var out bytes.Buffer
	if err := table.Write(&out, format, len(rows), func(i int) (table.Row, error) { return rows[i], nil }); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestCSV(t *testing.T) {
	got := write(t, omr.CSV,
		table.Row{Image: "b.jpg", Status: "Error"},
		table.Row{Image: "a.jpg", Status: "Ok", Data: []byte("\ufeffElement Name,Value,\nQ2,\"A\"\nQ1,\"C,D\"\nQ1,twice\nimage,x\n")},
		table.Row{Image: "class.pdf#2", Status: "Ok", Data: []byte("Element Name,Value,\r\nQ1,E\r\nQ3,\"F\"\r\nQ4\r\n")},
		table.Row{Image: "c.jpg", Status: "Ok", Data: []byte("\xff\xfe")},
	)
	want := strings.ReplaceAll(`image,status,Q2,Q1,Q1 (2),image (2),Q3,Q4
b.jpg,Error,,,,,,
a.jpg,Ok,A,"C,D",twice,x,,
class.pdf#2,Ok,,E,,,F,
c.jpg,result_unreadable,,,,,,
`, "\n", "\r\n")
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// No cell of ours makes a spreadsheet do anything: neither a file's name nor a
// form's elements nor what was written on it.
func TestCellsAreHarmless(t *testing.T) {
	var data bytes.Buffer
	cells := csv.NewWriter(&data)
	for _, cell := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"} {
		if err := cells.Write([]string{cell, cell}); err != nil {
			t.Fatal(err)
		}
	}
	cells.Flush()
	got := write(t, omr.CSV, table.Row{Image: "=cmd.jpg", Status: "-Ok", Data: data.Bytes()})
	var exceptions bytes.Buffer
	if err := table.WriteExceptions(&exceptions, []table.Exception{{Image: "@a", Status: "+b", Reason: "=c"}}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{got, exceptions.String()} {
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
					t.Errorf("cell %q", cell)
				}
			}
		}
	}
	if !strings.Contains(got, "'=cmd.jpg,'-Ok,'=1+1,'+1,'-1,'@SUM(A1),") {
		t.Errorf("%q", got)
	}
}

func TestJSON(t *testing.T) {
	got := write(t, omr.JSON,
		table.Row{Image: `a"<b>.jpg`, Status: "Ok", Data: []byte("\ufeff" + `{"RecognitionResults":[{"Value":"A"}]}`)},
		table.Row{Image: "b", Status: "Error", Messages: []string{"no"}},
		table.Row{Image: "c", Status: "Ok", Data: []byte("{")},
	)
	var entries []struct {
		Image, Status string
		Result        struct{ RecognitionResults []struct{ Value string } }
		Messages      []string
	}
	if err := json.Unmarshal([]byte(got), &entries); err != nil {
		t.Fatal(err)
	}
	if len(entries) != 3 || entries[0].Image != `a"<b>.jpg` || entries[0].Result.RecognitionResults[0].Value != "A" ||
		entries[1].Messages[0] != "no" || entries[2].Status != table.Unreadable {
		t.Errorf("%s", got)
	}
	if got := write(t, omr.JSON); got != "[\n]\n" {
		t.Errorf("nothing: %q", got)
	}
}

func TestXML(t *testing.T) {
	got := write(t, omr.XML,
		table.Row{Image: `a"<b>.jpg`, Status: "Ok", Data: []byte(`<?xml version="1.0" encoding="utf-8"?>` + "\n<!-- c --><R n=\"1\"><E name=\"Q1\">A</E></R>\n")},
		table.Row{Image: "b", Status: "Error", Messages: []string{"<no>"}},
		table.Row{Image: "c", Status: "Ok", Data: []byte("<a></b>")},
		table.Row{Image: "d", Status: "Ok", Data: []byte("<a/><b/>")},
	)
	var sheets struct {
		Sheet []struct {
			Image   string `xml:"image,attr"`
			Status  string `xml:"status,attr"`
			R       struct{ E string }
			Message []string
		}
	}
	if err := xml.Unmarshal([]byte(got), &sheets); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	s := sheets.Sheet
	if len(s) != 4 || s[0].Image != `a"<b>.jpg` || s[0].R.E != "A" || s[1].Message[0] != "<no>" || s[2].Status != table.Unreadable || s[3].Status != table.Unreadable {
		t.Errorf("%s", got)
	}
}

func TestReadableAndBlank(t *testing.T) {
	for _, c := range []struct {
		format          omr.Format
		data            string
		readable, blank bool
	}{
		{omr.CSV, "Element Name,Value,\nQ1,\"\"\nQ2,\n", true, true},
		{omr.CSV, "Element Name,Value,\nQ1,\"\"\nQ2,A\n", true, false},
		{omr.CSV, "Element Name,Value,\n", false, false},
		{omr.CSV, "\xff", false, false},
		{omr.JSON, `{"R":[{"ElementName":"Q1","Value":""},{"ElementName":"Q2","Value":null}]}`, true, true},
		{omr.JSON, `{"R":[{"ElementName":"Q1","Value":""},{"ElementName":"Q2","Value":7}]}`, true, false},
		{omr.JSON, `{"R":[]}`, true, false},
		{omr.JSON, `{`, false, false},
		{omr.XML, `<R><E name="Q1"> </E><E name="Q2"/></R>`, true, true},
		{omr.XML, `<R><E name="Q1">A</E><E name="Q2"/></R>`, true, false},
		{omr.XML, ``, false, false},
	} {
		readable, blank := table.Readable([]byte(c.data), c.format), table.Blank([]byte(c.data), c.format)
		if readable != c.readable || blank != c.blank {
			t.Errorf("%s %q: readable %t, blank %t", c.format, c.data, readable, blank)
		}
	}
}

// A table is there whole, or as it was before.
func TestFileIsWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "answers.csv")
	say := func(text string, err error) error {
		return table.File(path, func(w io.Writer) error {
			_, _ = io.WriteString(w, text)
			return err
		})
	}
	if err := say("first", nil); err != nil {
		t.Fatal(err)
	}
	full := syscall.ENOSPC
	if err := say("second", full); !errors.Is(err, full) || err.Error() != "writing "+path+": no space left on device" {
		t.Error(err)
	}
	if text, _ := os.ReadFile(path); string(text) != "first" {
		t.Errorf("%q", text)
	}
	if err := say("third", nil); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); string(text) != "third" {
		t.Errorf("%q", text)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
	for place, want := range map[string]string{
		"/dev/full":                        "there is something else than a file",
		dir:                                "there is something else than a file",
		filepath.Join(dir, "missing", "x"): "no such file or directory",
		filepath.Join(path, "x"):           "not a directory",
	} {
		if err := table.Writable(place); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", place, err, want)
		}
	}
	if err := table.Writable(path); err != nil {
		t.Error(err)
	}
}

// Errors of the rows and of the writer come back.
func TestWriteTellsErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, format := range []omr.Format{omr.CSV, omr.JSON, omr.XML} {
		if err := table.Write(io.Discard, format, 1, func(int) (table.Row, error) { return table.Row{}, broken }); !errors.Is(err, broken) {
			t.Errorf("%s: %v", format, err)
		}
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Skip(err)
		}
		if err := table.Write(full, format, 1, func(int) (table.Row, error) { return table.Row{}, nil }); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s, a full disk: %v", format, err)
		}
		full.Close()
	}
}
