package batch_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/batch"
	"omr-relay/internal/sandbox"
)

// Nothing of a batch is left, whatever is killed, and what is another's stays.
func TestErase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.place("batches/exam2/", map[string][]byte{"9.jpg": photo(9)})
		w.S3.SetObject("uploads/1", photo(9))
		if _, err := w.execution(t, "another").run("batches/exam2/"); err != nil {
			t.Fatal(err)
		}
		others := w.S3.Keys()
		w.place(exam, mixed(t))
		if _, err := w.execution(t, "one").run(exam); err != nil {
			t.Fatal(err)
		}
		erase := map[string]any{"prefix": exam, "erase": true}
		w.kill = killing{call: w.calls + 4} // after the results, before the rest
		x := w.execution(t, "erase-one")
		if _, err := x.start(erase); err != nil || x.lost != 1 {
			t.Fatalf("%v, %d were killed", err, x.lost)
		}
		if got := w.S3.Keys(); !slices.Equal(got, others) {
			t.Errorf("left: %q, want %q", got, others)
		}
		if _, err := w.execution(t, "erase-two").start(erase); err != nil {
			t.Error(err)
		}
		if got := w.S3.Keys(); !slices.Equal(got, others) {
			t.Errorf("left: %q, want %q", got, others)
		}
	})
}

// What is not to be erased is not, though it says so.
func TestEraseFalse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.place(exam, map[string][]byte{"9.jpg": photo(9)})
		if _, err := w.execution(t, "one").start(map[string]any{"prefix": exam, "erase": false}); err != nil {
			t.Fatal(err)
		}
		if _, ok := w.S3.Object(exam + "9.jpg"); !ok {
			t.Error("it was erased")
		}
	})
}

// A batch of many is erased in several turns; its order goes last.
func TestEraseInTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for i := range 4500 {
			w.S3.SetObject(fmt.Sprintf("%s%04d.jpg", exam, i), []byte("x"))
		}
		w.S3.SetObject(exam+"order.json", []byte("{}")) // by which the API knows the batch
		w.slowly(2 * time.Second)
		p, turns := w.process(t), 0
		for {
			ctx, cancel := context.WithTimeout(t.Context(), 13*time.Second)
			out, err := p.runner.Run(ctx, in("erase"))
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			if turns++; out.State == batch.Done {
				break
			}
			if out.State != batch.Erase || out.Seconds != 1 || w.object(exam+"order.json") == "none" {
				t.Fatalf("%+v", out)
			}
		}
		if got := w.S3.Keys(); len(got) != 0 || turns < 3 {
			t.Errorf("%d are left after %d turns", len(got), turns)
		}
	})
}

// A prefix that was run by one pattern, and by another: the results of both are erased,
// the lists that name them after them, whatever is killed in between.
func TestEraseOfTwoRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		total := 0
		for call := 0; call <= total; call++ {
			w := newWorld()
			w.place(exam, map[string][]byte{"1.jpg": photo(1), "2.jpg": photo(2)})
			for i, name := range []string{"one", "two"} {
				w.S3.SetObject(exam+"pattern.omr", append(sandbox.SamplePattern(), strings.Repeat(" ", i)...))
				if _, err := w.execution(t, name).run(exam); err != nil {
					t.Fatal(err)
				}
			}
			began := w.calls
			if call > 0 {
				w.kill = killing{call: began + call}
			}
			x := w.execution(t, "erase")
			if _, err := x.start(map[string]any{"prefix": exam, "erase": true}); err != nil || x.lost != min(call, 1) {
				t.Fatalf("killed at call %d: %v, %d were killed", call, err, x.lost)
			}
			if call == 0 {
				total = w.calls - began
			}
			if got := w.S3.Keys(); len(got) != 0 {
				t.Errorf("killed at call %d: left %q", call, got)
			}
		}
		if total < 5 {
			t.Errorf("%d calls in all", total)
		}
	})
}

// What cannot be erased is told, and tried again.
func TestEraseThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.place(exam, mixed(t))
		w.S3.Respond(func(rw http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPost {
				_, _ = io.WriteString(rw, "<DeleteResult><Error><Key>k</Key><Code>AccessDenied</Code><Message>words</Message></Error></DeleteResult>")
			}
			return r.Method == http.MethodPost
		})
		_, err := w.process(t).runner.Run(t.Context(), in("erase"))
		wantFault(t, err, batch.Unavailable, "erasing the batch")
		if strings.Contains(err.Error(), "words") {
			t.Error(err)
		}
	})
}
