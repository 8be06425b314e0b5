package batch_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"omr-relay/internal/batch"
	"omr-relay/internal/journal"
	"omr-relay/internal/sandbox"
)

// Tables have what the pattern does not know, and nothing that a spreadsheet would run.
func TestTables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, p, _ := one(t)
		w.place(exam, map[string][]byte{"2.jpg": photo(2), "3.jpg": photo(3), "=4.jpg": photo(4)})
		step(t, p, "manifest")
		results := map[string]journal.Result{
			"=4.jpg": {Status: "Ok", Data: []byte("Element Name,Value,\nimage,I\nQuestion1,=A\nQuestion1,B\n")},
			"1.jpg":  {Status: "Ok", Data: []byte("Element Name,Value,\nQuestion3,C\n=x,\"1,\n2\"\n")},
			"2.jpg":  {Status: "Ok", Data: []byte("\xff\xfe")},
		}
		put := func(results map[string]journal.Result) {
			for line := range strings.Lines(w.object(manifest("one"))) {
				var s struct{ Image, Sheet string }
				if err := json.Unmarshal([]byte(line), &s); err != nil {
					t.Fatal(err)
				}
				if result, ok := results[s.Image]; ok {
					text, _ := json.Marshal(result)
					w.S3.SetObject("sheets/aws/"+s.Sheet+".json", text)
				}
			}
		}
		put(results)
		out := step(t, p, "merge")
		if out.Sheets != 4 || out.Answered != 2 || out.Exceptions != 2 {
			t.Errorf("%+v", out)
		}
		want := "image,status,Question1,Question2,Question3,'=x,image (2),Question1 (2)\r\n" +
			"1.jpg,Ok,,,C,\"1,\r\n2\",,\r\n" +
			"2.jpg,result_unreadable,,,,,,\r\n" +
			"3.jpg,not_recognized,,,,,,\r\n" +
			"'=4.jpg,Ok,'=A,,,,I,B\r\n"
		if got := w.object(exam + "results/answers.csv"); got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
		exceptions := rows(w.object(exam + "results/exceptions.csv"))
		if len(exceptions) != 2 || !strings.HasPrefix(exceptions[0], "2.jpg,result_unreadable,") || !strings.HasPrefix(exceptions[1], "3.jpg,not_recognized,") {
			t.Errorf("%q", exceptions)
		}
		// A pattern that we cannot read has its columns from the results.
		w.S3.SetObject(exam+"work/pattern.omr", []byte(`{"Pages":[{"Elements":[{"Title":"x"}]}]}`))
		p = w.process(t)
		step(t, p, "merge")
		if got, _, _ := strings.Cut(w.object(exam+"results/answers.csv"), "\r\n"); got != "image,status,Question3,'=x,image (2),Question1,Question1 (2)" {
			t.Error(got)
		}
	})
}

// made is a bucket with a batch of so many sheets, whose results are made when they are
// asked for, and whose tables are counted.
type made struct {
	batch.Files

	sheets int
	lines  atomic.Int64
	bytes  atomic.Int64
	broken bool
}

const result = `{"status":"Ok","data":"RWxlbWVudCBOYW1lLFZhbHVlLApRdWVzdGlvbjEsIkEiClF1ZXN0aW9uMiwiQyIKUXVlc3Rpb24zLCJCIgo="}`

func (m *made) Read(_ context.Context, key string) (io.ReadCloser, int64, error) {
	switch {
	case strings.HasSuffix(key, "pattern.omr"):
		return io.NopCloser(strings.NewReader(string(sandbox.SamplePattern()))), 0, nil
	case key == manifest("one"):
		r, w := io.Pipe()
		go func() {
			out := bufio.NewWriter(w)
			for i := range m.sheets {
				fmt.Fprintf(out, "{\"image\":\"class %d/sheet %d.jpg\",\"scan\":\"%032x\",\"sheet\":\"%032x\"}\n", i%30, i, i, i)
			}
			w.CloseWithError(out.Flush())
		}()
		return r, 0, nil
	case m.broken && strings.HasSuffix(key, "03f.json"):
		return nil, 0, io.ErrUnexpectedEOF
	case strings.HasSuffix(key, "00.json"):
		return nil, 0, fs.ErrNotExist
	default:
		return io.NopCloser(strings.NewReader(result)), 0, nil
	}
}

func (m *made) Write(_ context.Context, _ string, body io.ReadSeeker, _ string) error {
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		m.lines.Add(1)
		m.bytes.Add(int64(len(lines.Bytes())))
	}
	return lines.Err()
}

// 100,000 results take no more memory than 1,000.
func TestMergeStreams(t *testing.T) {
	if testing.Short() {
		t.Skip("merges 100,000 results")
	}
	t.Setenv("TMPDIR", t.TempDir())
	peak := func(sheets int) uint64 {
		m := &made{sheets: sheets}
		r := &batch.Runner{}
		runtime.GC()
		var before, at runtime.MemStats
		runtime.ReadMemStats(&before)
		most := uint64(0)
		r.Files = &watched{made: m, each: 500, look: func() {
			runtime.ReadMemStats(&at)
			most = max(most, at.HeapInuse)
		}}
		out, err := r.Run(t.Context(), in("merge"))
		missing := sheets / 256
		if sheets%256 != 0 {
			missing++
		}
		if err != nil || out.Sheets != sheets || out.Exceptions != missing || out.Answered != sheets-missing {
			t.Fatalf("%+v, %v", out, err)
		}
		if got := int(m.lines.Load()); got != 2*sheets+1+missing+1 {
			t.Errorf("%d lines of %d sheets", got, sheets)
		}
		return most - min(before.HeapInuse, most)
	}
	few, many := peak(1_000), peak(100_000)
	if many > few+8<<20 {
		t.Errorf("1,000 sheets take %d KB, 100,000 take %d KB", few>>10, many>>10)
	}
}

// watched looks at every so many results.
type watched struct {
	*made

	each int64
	n    atomic.Int64
	busy atomic.Bool
	look func()
}

func (w *watched) Read(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	if w.n.Add(1)%w.each == 0 && w.busy.CompareAndSwap(false, true) {
		w.look()
		w.busy.Store(false)
	}
	return w.made.Read(ctx, key)
}

// One result that cannot be read ends the merge; nothing is left running, or on disk.
func TestMergeThatBreaks(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	r := &batch.Runner{Files: &made{sheets: 500, broken: true}}
	_, err := r.Run(t.Context(), in("merge"))
	wantFault(t, err, batch.Unavailable, "reading a result: connection closed in the middle of the answer")
	if left, err := fs.Glob(os.DirFS(dir), "*"); err != nil || len(left) != 0 {
		t.Errorf("left on disk: %q, %v", left, err)
	}
}
