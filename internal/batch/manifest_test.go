package batch_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/batch"
	"omr-relay/internal/sandbox"
)

// items are the scans that the map goes through.
func items(w *world) []string {
	return strings.Split(strings.TrimSuffix(w.object(exam+"work/items.csv"), "\n"), "\n")[1:]
}

// manifest is where an execution's list of sheets is.
func manifest(execution string) string {
	sum := sha256.Sum256([]byte(execution))
	return exam + "work/manifests/" + hex.EncodeToString(sum[:16]) + ".jsonl"
}

// slowly has each request to S3 take some time.
func (w *world) slowly(d time.Duration) {
	w.S3.Respond(func(http.ResponseWriter, *http.Request) bool {
		time.Sleep(d)
		return false
	})
}

// A list of sheets that takes longer than an invocation is made in several, and none of
// them does what another did.
func TestManifestInTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		scans := map[string][]byte{"class.pdf": file(t, "grey.pdf")}
		for i := range 900 {
			scans[fmt.Sprintf("%04d.jpg", i)] = photo(i % 200)
		}
		w.place(exam, scans)
		w.slowly(time.Second)
		run := func(execution string) (turns int, out *batch.Output) {
			p := w.process(t, func(r *batch.Runner) { r.MaxSheets = 1000 })
			for turns = 1; ; turns++ {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				i := in("manifest")
				i.Execution = execution
				var err error
				if out, err = p.runner.Run(ctx, i); err != nil {
					t.Fatal(err)
				}
				cancel()
				if out.State == batch.Done {
					return turns, out
				}
				if out.State != batch.Manifest || out.Items == "" || out.Work == "" || out.Concurrency == 0 {
					t.Fatalf("%+v", out)
				}
			}
		}
		began := w.S3.Count()
		turns, out := run("one")
		calls := w.S3.Count() - began
		if out.Sheets != 203 || len(items(w)) != 203 || turns < 2 || turns > 5 {
			t.Errorf("%d turns, %+v", turns, out)
		}
		if most := 3*900 + 8 + turns*8; calls > most {
			t.Errorf("%d calls, want %d at most", calls, most)
		}
		if got := len(strings.Split(w.object(manifest("one")), "\n")); got != 904 {
			t.Errorf("%d lines", got)
		}
		// Another execution looks anew: scans may have come, or gone.
		w.S3.RemoveObject(exam + "0000.jpg")
		w.S3.SetObject(exam+"0001.jpg", []byte("text"))
		if turns, out = run("two"); turns < 2 || out.Sheets != 203 || !strings.Contains(w.object(manifest("two")), `"image":"0001.jpg","fault"`) {
			t.Errorf("%d turns, %+v", turns, out)
		}
	})
}

// Files of pages are taken apart one after the other: those whose turn comes too late are
// the next invocation's, and none is cut off by its end.
func TestManifestOfManyFilesOfPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		scans := map[string][]byte{}
		for i := range 40 {
			scans[fmt.Sprintf("%02d.pdf", i)] = file(t, "grey.pdf")
		}
		w.place(exam, scans)
		w.slowly(time.Second)
		p := w.process(t, func(r *batch.Runner) { r.MaxSheets = 1000 })
		for turns := 1; ; turns++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			out, err := p.runner.Run(ctx, in("manifest"))
			cancel()
			if err != nil || turns > 10 {
				t.Fatalf("turn %d: %v", turns, err)
			}
			if out.State == batch.Done {
				if got := len(strings.Split(w.object(manifest("one")), "\n")); turns < 2 || got != 3*40+1 {
					t.Errorf("%d lines after %d turns", got, turns)
				}
				return
			}
		}
	})
}

// The results that a batch relies on live as long as its own: the bucket goes by when they
// were written.
func TestResultsAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.place(exam, map[string][]byte{"1.jpg": photo(1), "2.jpg": photo(2), "fax.tif": twoPages(t)})
		var onto []string
		w.S3.Respond(func(_ http.ResponseWriter, r *http.Request) bool {
			if from := r.Header.Get("X-Amz-Copy-Source"); from != "" && strings.HasSuffix(r.URL.Path, strings.TrimPrefix(from, sandbox.DefaultBucket)) {
				w.mu.Lock()
				defer w.mu.Unlock()
				onto = append(onto, from)
			}
			return false
		})
		for i, tt := range []struct {
			after   time.Duration
			renewed int
		}{{0, 0}, {time.Hour, 0}, {12 * time.Hour, 4}, {time.Hour, 0}} {
			time.Sleep(tt.after)
			onto = nil
			if out, err := w.execution(t, strconv.Itoa(i)).run(exam); err != nil || fmt.Sprint(out) != "map[answered:4 exceptions:0 sheets:4]" {
				t.Fatalf("%v, %v", out, err)
			}
			if len(onto) != tt.renewed || tt.renewed > 0 && !strings.Contains(onto[0], "/sheets/aws/") {
				t.Errorf("run %d renewed %q", i, onto)
			}
		}
		w.wantSubmissions(t, 4)
	})
}

// A result whose life ends while it is looked at is none.
func TestResultThatEndsMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.place(exam, map[string][]byte{"1.jpg": photo(1)})
		if _, err := w.execution(t, "one").run(exam); err != nil {
			t.Fatal(err)
		}
		time.Sleep(13 * time.Hour)
		gone := false
		w.S3.Respond(func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("X-Amz-Copy-Source") != "" && !gone {
				gone = true
				for _, key := range w.S3.Keys() {
					if strings.HasPrefix(key, "sheets/aws/") && strings.HasSuffix(key, ".json") {
						w.S3.RemoveObject(key)
					}
				}
			}
			return false
		})
		out, err := w.execution(t, "two").run(exam)
		if err != nil || !gone || fmt.Sprint(out) != "map[answered:1 exceptions:0 sheets:1]" {
			t.Errorf("%v, %v", out, err)
		}
		w.wantSubmissions(t, 1) // the record of its submission is there
	})
}

// An upload that is written again while it is looked at is looked at again.
func TestScanThatChangesMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.place(exam, map[string][]byte{"1.jpg": photo(1)})
		w.S3.Respond(func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("X-Amz-Copy-Source") != "" && w.object(exam+"1.jpg") == string(photo(1)) {
				w.S3.SetObject(exam+"1.jpg", photo(2))
			}
			return false
		})
		if out, err := w.execution(t, "one").run(exam); err != nil || fmt.Sprint(out) != "map[answered:1 exceptions:0 sheets:1]" {
			t.Errorf("%v, %v", out, err)
		}
		if w.submitted[nameOf(photo(2))] != 1 || len(w.submitted) != 1 {
			t.Errorf("submitted %v", w.submitted)
		}
	})
}

// Names that S3 and people make are names.
func TestNamesOfScans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.place(exam, map[string][]byte{"a b+c/ü%2F?#&.jpg": photo(1), `q"uote.jpg`: photo(2), "p#1.pdf": file(t, "grey.pdf")})
		if _, err := w.execution(t, "one").run(exam); err != nil {
			t.Fatal(err)
		}
		got := rows(w.object(exam + "results/answers.csv"))
		for i, want := range []string{"a b+c/ü%2F?#&.jpg,Ok", "p#1.pdf#1,Ok", "p#1.pdf#2,Ok", "p#1.pdf#3,Ok", `"q""uote.jpg",Ok`} {
			if i >= len(got) || !strings.HasPrefix(got[i], want) {
				t.Errorf("%q, want %s", got, want)
			}
		}
	})
}
