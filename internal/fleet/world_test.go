package fleet

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/token"
)

// variant is what a run may differ in from the relay as it is.
type variant struct {
	name string
	lead func(*rand.Rand) float64 // see token.Config
	draw func(*rand.Rand) float64
}

// asItIs draws as the relay does by default.
var asItIs = variant{"as it is", leads(15, 25), (*rand.Rand).Float64}

// leads draws between two percentages of a token's lifetime. Without a lead no token is
// due for a refresh before it has expired.
func leads(least, most float64) func(*rand.Rand) float64 {
	return func(rng *rand.Rand) float64 { return (least + (most-least)*rng.Float64()) / 100 }
}

// evenly is no draw at all.
func evenly(*rand.Rand) float64 { return 0.5 }

// broken is what a test breaks on purpose, to see it found out. The zero value is
// the relay as it is.
type broken struct {
	transport func(*environment, http.RoundTripper) http.RoundTripper // to the upstream
	source    func(token.Source) token.Source
	boasts    time.Duration // of the service's tokens: more than they live
}

// world is everything for one day.
type world struct {
	seed     uint64
	variant  variant
	day      day
	midnight time.Time
	service  *service
	watch    *watch
	endpoint *url.URL
	base     *url.URL

	broken broken
	after  sync.WaitGroup // for what the broken one leaves running

	mu              sync.Mutex // guards what follows
	pair            string     // stored in Secrets Manager
	beforePair      string
	idle            []*environment // the one used last at the end
	free            []int          // lanes of environments that are gone
	lanes           int
	busy            int
	version         int // deployed
	started, credit int // environments in all, and how many may be started now; the dispatcher's
}

// Lambda starts a thousand environments of a function at once and a hundred a second
// after that (docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html).
const (
	startsAtOnce    = 1000
	startsPerSecond = 100
)

// run lives through a day and returns what was seen.
func run(t *testing.T, w *world) *watch {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w.midnight = time.Now()
		w.service = newService()
		w.watch = newWatch(w)
		w.endpoint = &url.URL{Scheme: "https", Host: "upstream.test", Path: "/connect/token"}
		w.base = &url.URL{Scheme: "https", Host: "upstream.test", Path: "/v5.0/omr/RecognizeTemplate"}
		w.credit = startsAtOnce
		w.store(w.service.create())
		w.service.boasts = w.broken.boasts
		w.live(t.Context())
		w.after.Wait()
	})
	w.watch.close()
	return w.watch
}

// live goes through the day, second by second.
func (w *world) live(ctx context.Context) {
	rng := rand.New(rand.NewPCG(w.seed, 0))
	steps := w.day.steps()
	var running sync.WaitGroup
	defer running.Wait()
	number := 0
	for second := range int64(w.day.traffic.length / time.Second) {
		w.credit = min(w.credit+startsPerSecond, startsAtOnce)
		arrivals := make([]time.Duration, w.day.traffic.arrivals(rng, second))
		for i := range arrivals {
			arrivals[i] = time.Duration(rng.Int64N(int64(time.Second)))
		}
		slices.Sort(arrivals)
		for _, within := range arrivals {
			when := toLane(time.Duration(second)*time.Second+within, 0)
			steps = w.until(when, steps)
			number++
			c := call{number: number, arrived: when, submit: rng.IntN(100) < submissions}
			e, cold := w.take()
			if e == nil {
				w.watch.throttled()
				continue
			}
			running.Go(func() { e.serve(ctx, c, cold) })
		}
	}
	w.until(w.day.traffic.length, steps)
}

// until lets time pass, and what is to be done meanwhile be done. It returns the rest.
func (w *world) until(when time.Duration, steps []step) []step {
	for len(steps) > 0 && steps[0].at <= when {
		time.Sleep(toLane(steps[0].at, 0) - time.Since(w.midnight))
		steps[0].do(w)
		steps = steps[1:]
	}
	time.Sleep(when - time.Since(w.midnight))
	return steps
}

// take returns an environment for a call: the one used last of those that are frozen,
// as Lambda has it, or a new one if it may be started.
func (w *world) take() (e *environment, cold bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for len(w.idle) > 0 {
		e := w.idle[len(w.idle)-1]
		w.idle = w.idle[:len(w.idle)-1]
		if e.version == w.version && !e.gone(now) {
			w.busyLocked(1)
			return e, false
		}
		w.free = append(w.free, e.lane)
	}
	if w.credit < 1 {
		return nil, false
	}
	w.credit--
	lane := w.lanes + 1
	if n := len(w.free); n > 0 {
		lane, w.free = w.free[n-1], w.free[:n-1]
	} else {
		w.lanes++
	}
	w.busyLocked(1)
	return w.newEnvironment(lane), true
}

// freeze takes an environment back after a call.
func (w *world) freeze(e *environment) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.lastCall = time.Now()
	w.idle = append(w.idle, e)
	w.busyLocked(-1)
}

// deploy replaces every environment: those that are busy once they are not.
func (w *world) deploy() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.version++
}

func (w *world) busyLocked(more int) {
	w.busy += more
	w.watch.busy(w.busy)
}

// store puts a pair into Secrets Manager.
func (w *world) store(pair string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.beforePair, w.pair = w.pair, pair
}

func (w *world) stored() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pair
}

// lanes are how many environments can each have instants of their own, in nanoseconds.
const lanes = 1 << 17

// toLane returns the next instant that belongs to a lane. Lane 0 is the dispatcher's.
func toLane(when time.Duration, lane int) time.Duration {
	base := when &^ (lanes - 1)
	if base+time.Duration(lane) < when {
		base += lanes
	}
	return base + time.Duration(lane)
}

func between(rng *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(rng.Int64N(int64(most-least)))
}
