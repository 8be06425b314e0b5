package batch_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A process is killed at each of the calls that a batch makes, before it arrived and
// after it did. No sheet is submitted twice; the one whose submission nobody knows of is
// an exception, and stays one in a second run. All others have their answers.
func TestKilledAtEachCall(t *testing.T) {
	scans := map[string][]byte{"1.jpg": photo(1), "2.jpg": photo(2), "again.jpg": photo(1), "fax.tif": twoPages(t), "notes.txt": []byte("x")}
	total := 0
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.place(exam, scans)
		x := w.execution(t, "whole")
		x.atOnce = 1
		if _, err := x.run(exam); err != nil {
			t.Fatal(err)
		}
		total = w.calls
	})
	if total < 50 {
		t.Fatalf("%d calls in all", total)
	}
	lost, unknown := 0, 0
	for call := 1; call <= total; call++ {
		for _, after := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.kill = killing{call: call, after: after}
				w.place(exam, scans)
				x := w.execution(t, "first")
				x.atOnce = 1
				out, err := x.run(exam)
				if err != nil {
					t.Fatalf("killed at call %d: %v", call, err)
				}
				lost += x.lost
				n := wantOncePaid(t, w, fmt.Sprint("killed at call ", call, ", after ", after))
				unknown += n
				want := fmt.Sprintf("map[answered:%d exceptions:%d sheets:6]", 5-n, 2+n)
				if n > 0 && strings.Contains(w.object(exam+"results/exceptions.csv"), "again.jpg,submission_unknown") {
					want = "map[answered:3 exceptions:3 sheets:6]" // it is twice among them
				}
				if fmt.Sprint(out) != want {
					t.Errorf("killed at call %d: %v, want %s", call, out, want)
				}
				if n == 0 && call%8 > 0 {
					return // a second run has nothing of its own to find
				}
				again, err := w.execution(t, "second").run(exam)
				if err != nil || fmt.Sprint(again) != want {
					t.Errorf("killed at call %d, and again: %v, %v", call, again, err)
				}
				wantOncePaid(t, w, fmt.Sprint("killed at call ", call, ", and again"))
			})
		}
	}
	if lost != 2*total || unknown == 0 {
		t.Errorf("%d invocations were killed of %d, %d sheets are unknown", lost, 2*total, unknown)
	}
}

// wantOncePaid returns how many sheets' submissions are unknown.
func wantOncePaid(t *testing.T, w *world, when string) (unknown int) {
	t.Helper()
	exceptions := rows(w.object(exam + "results/exceptions.csv"))
	for _, row := range exceptions {
		if strings.Contains(row, "submission_unknown") && !strings.HasPrefix(row, "again.jpg") {
			unknown++
		}
	}
	for scan, n := range w.submitted {
		if n != 1 {
			t.Errorf("%s: %s was submitted %d times", when, scan, n)
		}
	}
	if n := len(w.submitted); n != 4 && (n != 3 || unknown != 1) {
		t.Errorf("%s: %d scans were submitted, %q", when, n, exceptions)
	}
	return unknown
}

// A batch that is stopped, and begun anew when the records of others are gone.
func TestStoppedAndBegunAnewDaysLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.place(exam, map[string][]byte{"1.jpg": photo(1), "2.jpg": photo(2)})
		w.Aspose.SetNotReady(1000)
		p := w.process(t)
		step(t, p, "manifest")
		scans := rows(strings.ReplaceAll(w.object(exam+"work/items.csv"), "\n", "\r\n"))
		// One is submitted; of the other the process is killed before the answer comes.
		submit(t, p, scans[0])
		w.kill = killing{call: w.calls + 4 + 1, after: true}
		func() {
			defer func() { _ = recover() }()
			_, _ = p.runner.Run(t.Context(), in("submit", scans[1]))
		}()
		if !w.kill.killed || len(w.submitted) != 2 {
			t.Fatalf("submitted %v", w.submitted)
		}
		time.Sleep(5 * 24 * time.Hour)
		w.Aspose.SetOutcomes()
		out, err := w.execution(t, "days later").run(exam)
		if err != nil || fmt.Sprint(out) != "map[answered:0 exceptions:2 sheets:2]" {
			t.Fatalf("%v, %v", out, err)
		}
		w.wantSubmissions(t, 2)
		got := w.object(exam + "results/exceptions.csv")
		for _, want := range []string{",submission_unknown,\"it was sent, and may have been received", ",not_ready,its result was not there after 24 hours"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %s", got, want)
			}
		}
		// A person decides that it may be paid for again: it is, once, however often its
		// process is killed meanwhile.
		w.Aspose.SetNotReady(1)
		w.S3.SetObject(exam+"order.json", []byte(`{"resubmit":true}`))
		if out, err = w.execution(t, "decided").run(exam); err != nil || fmt.Sprint(out) != "map[answered:1 exceptions:1 sheets:2]" {
			t.Fatalf("%v, %v\n%s", out, err, w.object(exam+"results/exceptions.csv"))
		}
		counts := []int{w.submitted[nameOf(photo(1))], w.submitted[nameOf(photo(2))]}
		slices.Sort(counts)
		if !slices.Equal(counts, []int{1, 2}) {
			t.Errorf("submitted %v", w.submitted)
		}
	})
}
