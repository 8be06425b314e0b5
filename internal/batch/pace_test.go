package batch_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/batch"
)

// A limited upstream halves the concurrency, once a minute for all processes together;
// it creeps up again, by a tenth a minute, and never above what the map began with.
func TestConcurrencyFollowsTheUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		scans := map[string][]byte{}
		for i := range 90 {
			scans[fmt.Sprintf("%02d.jpg", i)] = photo(i)
		}
		w.place(exam, scans)
		change := func(r *batch.Runner) { r.Most = 20 }
		processes := []*process{w.process(t, change), w.process(t, change), w.process(t, change), w.process(t, change)}
		step(t, processes[0], "manifest")
		w.at["one"] = 20
		items := items(w)
		limited := true
		w.upstream = func(scan string, _ *http.Request) (*http.Response, error) {
			if scan == "" || !limited {
				return nil, nil
			}
			return respond(429, "")
		}
		// Without a change of the upstream's, nothing is changed.
		limited = false
		used := 0
		burst := func() {
			for _, p := range processes {
				submit(t, p, items[used])
				used++
			}
		}
		want := func(when string, changes ...int) {
			t.Helper()
			if !slices.Equal(w.changes, changes) {
				t.Errorf("%s: %v, want %v", when, w.changes, changes)
			}
			w.changes = nil
		}
		burst()
		time.Sleep(2 * time.Minute)
		burst()
		want("while all goes well")
		limited = true
		burst()
		want("limited", 10)
		time.Sleep(30 * time.Second)
		burst()
		want("limited still, within the minute")
		time.Sleep(31 * time.Second)
		burst()
		want("limited still", 5)
		limited = false
		time.Sleep(30 * time.Second)
		// Whoever comes new does not undo it.
		submit(t, w.process(t, change), items[used])
		used++
		burst()
		want("well again, within the minute")
		for i := range 8 {
			time.Sleep(61 * time.Second)
			burst()
			want("well again", min(7+2*i, 20))
		}
		// What went up goes down at once.
		limited = true
		burst()
		want("limited", 10)
		// Where there is no map, or it has no limit, nothing breaks.
		limited = false
		delete(w.at, "one")
		time.Sleep(2 * time.Minute)
		burst()
		want("without a map")
	})
}

// It never comes to none, and is left alone where it cannot go down.
func TestConcurrencyOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, p, scan := one(t)
		w.upstream = func(scan string, _ *http.Request) (*http.Response, error) {
			if scan == "" {
				return nil, nil
			}
			return respond(429, "")
		}
		w.at["one"] = 1
		submit(t, p, scan)
		if len(w.changes) != 0 {
			t.Errorf("changed to %v", w.changes)
		}
		w.at["one"] = 0 // no limit
		time.Sleep(time.Minute)
		submit(t, p, scan)
		if !slices.Equal(w.changes, []int{5}) {
			t.Errorf("changed to %v", w.changes)
		}
	})
}
