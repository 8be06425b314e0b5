package batch_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"omr-relay/internal/sandbox"
)

// twoPages is a TIFF of three, with its chain cut off after the second.
func twoPages(t *testing.T) []byte {
	t.Helper()
	data := slices.Clone(file(t, "raw.tif"))
	order := binary.ByteOrder(binary.LittleEndian)
	if data[0] == 'M' {
		order = binary.BigEndian
	}
	next := func(directory uint32) uint32 {
		return directory + 2 + 12*uint32(order.Uint16(data[directory:]))
	}
	second := order.Uint32(data[next(order.Uint32(data[4:])):])
	order.PutUint32(data[next(second):], 0)
	return data
}

// mixed is a batch of all that there is: 2 photographs, one of them twice, a PDF of 3
// pages, a TIFF of 2, the sample form, and 3 that cannot be recognized.
func mixed(t *testing.T) map[string][]byte {
	return map[string][]byte{
		"7a/anna.jpg":      photo(1),
		"7a/ben.jpg":       photo(2),
		"7a/ben again.jpg": photo(2),
		"7b/class.pdf":     file(t, "grey.pdf"),
		"7b/fax.tif":       twoPages(t),
		"7b/form.png":      sandbox.SampleFilledForm(),
		"7c/empty.jpg":     nil,
		"7c/notes.jpg":     []byte("see me after the lesson"),
		"7c/phone.heic":    []byte("\x00\x00\x00\x18ftypheic\x00\x00"),
		"7c/.DS_Store":     []byte("left by a Mac"),
		"7c/":              nil,
		"results/old.csv":  []byte("of an earlier run"),
		"work/1":           []byte("of an earlier run"),
	}
}

const mixedSheets = 8

func wantMixed(t *testing.T, w *world, prefix string) {
	t.Helper()
	head := "image,status,Question1,Question2,Question3,NOTE\r\n"
	var want strings.Builder
	want.WriteString(head)
	for _, image := range []string{"7a/anna.jpg", "7a/ben again.jpg", "7a/ben.jpg", "7b/class.pdf#1", "7b/class.pdf#2", "7b/class.pdf#3", "7b/fax.tif#1", "7b/fax.tif#2", "7b/form.png"} {
		want.WriteString(image + "," + answered + "\r\n")
	}
	for _, image := range []string{"7c/empty.jpg", "7c/notes.jpg", "7c/phone.heic"} {
		want.WriteString(image + ",unreadable,,,,\r\n")
	}
	if got := w.object(prefix + "results/answers.csv"); got != want.String() {
		t.Errorf("answers.csv:\n%s\nwant\n%s", got, want.String())
	}
	exceptions := "image,status,reason\r\n" +
		"7a/ben.jpg,duplicate,the same content as 7a/ben again.jpg; submitted once\r\n" +
		"7c/empty.jpg,unreadable,it is empty\r\n" +
		"7c/notes.jpg,unreadable,\"not a scan: its content is none of JPEG, PNG, GIF, TIFF, BMP and PDF\"\r\n" +
		"7c/phone.heic,unreadable,\"HEIC, which Aspose does not read: convert it to JPEG\"\r\n"
	if got := w.object(prefix + "results/exceptions.csv"); got != exceptions {
		t.Errorf("exceptions.csv:\n%s\nwant\n%s", got, exceptions)
	}
	lines := strings.Split(strings.TrimSpace(w.object(prefix+"results/answers.jsonl")), "\n")
	first := `{"image":"7a/anna.jpg","status":"Ok","answers":{"NOTE":"SAMPLE made by a stand-in; nothing was recognized.","Question1":"A","Question2":"C","Question3":"B"}}`
	if len(lines) != 12 || lines[0] != first || lines[11] != `{"image":"7c/phone.heic","status":"unreadable"}` {
		t.Errorf("%d lines, from %s to %s", len(lines), lines[0], lines[len(lines)-1])
	}
}

// A batch from its scans to its tables, by the definition as it is deployed.
func TestWholeBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.place(exam, mixed(t))
		x := w.execution(t, "first")
		out, err := x.run(exam)
		if err != nil || fmt.Sprint(out) != "map[answered:9 exceptions:4 sheets:12]" {
			t.Fatalf("%v, %v", out, err)
		}
		wantMixed(t, w, exam)
		w.wantSubmissions(t, mixedSheets)
		// Step Functions keeps state for 90 days: nothing that a person wrote is in it.
		for _, said := range x.said {
			for _, private := range []string{"anna", "ben", "class", ".jpg", ".pdf", "Question", "SAMPLE"} {
				if strings.Contains(said, private) {
					t.Errorf("between steps: %s", said)
				}
			}
		}
		// Another run of the same finds it all there, and has nothing to map.
		again := w.execution(t, "second")
		calls := w.polls
		if out, err = again.run(exam); err != nil || fmt.Sprint(out) != "map[answered:9 exceptions:4 sheets:12]" {
			t.Fatalf("%v, %v", out, err)
		}
		wantMixed(t, w, exam)
		w.wantSubmissions(t, mixedSheets)
		if again.ran["Sheets"] != 0 || w.polls != calls {
			t.Errorf("ran %v, %d polls", again.ran, w.polls-calls)
		}
		// So does another batch with the same scans, under other names.
		w.place("batches/late/", map[string][]byte{"x.jpg": photo(1), "y.jpg": photo(9)})
		if out, err = w.execution(t, "third").run("batches/late/"); err != nil || fmt.Sprint(out) != "map[answered:2 exceptions:0 sheets:2]" {
			t.Fatalf("%v, %v", out, err)
		}
		w.wantSubmissions(t, mixedSheets+1)
	})
}
