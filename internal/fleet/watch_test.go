package fleet

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"omr-relay/internal/callrecord"
)

// rule is what must hold at any time.
type rule string

// The rules.
const (
	expiredSent rule = "an expired token was sent"
	postDoubled rule = "a POST was processed twice"
	otherHeld   rule = "another pair was delayed by a ban or a denial"
	notServed   rule = "a caller was sent away though all was well"
	frozenRan   rule = "something ran on in a frozen environment"
)

// figures are what a day comes to.
type figures struct {
	Calls     int // invocations
	Busy      int // environments at a time, at most
	Started   int
	Throttled int // calls for which Lambda started no environment

	Mints        int // tokens that were issued
	PeakMints    int // in one second
	PeakAfter    int // in one second of the exam, half an hour after schoolDay's deployment and later
	Requests     int // to the token endpoint
	PeakRequests int
	Denied       int // of them, with 400
	Banned       int // with 429

	Refreshed int   // calls beside which the next token was fetched
	Waited    int   // calls that fetched a token first, though the environment was not new
	Repaired  int   // calls that were sent again with another token
	Failed    int   // callers who got a 5xx of the relay's
	FailedIn  []int // of them, by incident

	Minutes []int // the peak of mints in one second, by minute
}

// watch looks on. It keeps the rules and counts.
type watch struct {
	world *world

	mu        sync.Mutex // guards what follows
	figures   figures
	broken    map[rule]int
	posts     map[string]int
	mints     []int // by second
	requests  []int
	recovered []int // calls that were served after each incident and before the next
}

func newWatch(w *world) *watch {
	// A call that comes at midnight lasts into the next day.
	seconds := int(w.day.traffic.length/time.Second) + 60
	return &watch{
		world: w, broken: map[rule]int{}, posts: map[string]int{},
		mints: make([]int, seconds), requests: make([]int, seconds),
		figures: figures{FailedIn: make([]int, len(w.day.incidents))}, recovered: make([]int, len(w.day.incidents)),
	}
}

func (w *watch) violated(r rule) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken[r]++
}

func (w *watch) count(n *int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*n++
}

func (w *watch) cold()      { w.count(&w.figures.Started) }
func (w *watch) throttled() { w.count(&w.figures.Throttled) }

func (w *watch) busy(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.figures.Busy = max(w.figures.Busy, n)
}

// asked is called for each token request, answered for each that the service answers
// by itself.
func (w *watch) asked() { w.count(&w.requests[int(time.Since(w.world.midnight)/time.Second)]) }

func (w *watch) answered(r reply) {
	switch {
	case r.status == http.StatusOK && r.body[0] == '{':
		w.count(&w.mints[int(time.Since(w.world.midnight)/time.Second)])
	case r.status == http.StatusBadRequest:
		w.count(&w.figures.Denied)
	case r.status == http.StatusTooManyRequests:
		w.count(&w.figures.Banned)
	}
}

// processed is called for each POST that the upstream has done.
func (w *watch) processed(call string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.posts[call]++; w.posts[call] == 2 {
		w.broken[postDoubled]++
	}
}

// sent is called for each request that the relay has sent, or would not.
func (w *watch) sent(r *callrecord.Record) {
	switch r.Token {
	case callrecord.SoftRefresh:
		w.count(&w.figures.Refreshed)
	case callrecord.Mint, callrecord.Wait:
		w.count(&w.figures.Waited)
	case callrecord.Repair:
		w.count(&w.figures.Repaired)
	}
}

// longestCall is more than an invocation takes, its cold start included.
const longestCall = 30 * time.Second

// ended is called for each invocation.
func (w *watch) ended(c call, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.figures.Calls++
	// The last incident that had begun when the call was under way.
	begun := 0
	for begun < len(w.world.day.incidents) && w.world.day.incidents[begun].begins < c.arrived+longestCall {
		begun++
	}
	if begun == 0 {
		if ours(err) {
			w.broken[notServed]++
		}
		return
	}
	last := w.world.day.incidents[begun-1]
	if !ours(err) {
		if c.arrived >= last.over {
			w.recovered[begun-1]++
		}
		return
	}
	w.figures.Failed++
	w.figures.FailedIn[begun-1]++
	switch {
	case last.stored > 0 && c.arrived >= last.stored+storedFor:
		w.broken[otherHeld]++
	case last.harmless || c.arrived >= last.over:
		w.broken[notServed]++
	}
}

// close is called at the end of the day.
func (w *watch) close() {
	f := &w.figures
	for second := range w.mints {
		f.Mints += w.mints[second]
		f.Requests += w.requests[second]
		f.PeakRequests = max(f.PeakRequests, w.requests[second])
	}
	for minute := range slices.Chunk(w.mints, 60) {
		f.Minutes = append(f.Minutes, slices.Max(minute))
	}
	f.PeakMints = slices.Max(f.Minutes)
	// The environments of the exam, whose tokens are of one age since the deployment.
	f.PeakAfter = slices.Max(f.Minutes[int((deployed+30*time.Minute)/time.Minute):int(examEnds/time.Minute)])
}
