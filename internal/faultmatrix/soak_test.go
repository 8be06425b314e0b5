package faultmatrix

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"omr-relay/internal/app"
)

// soakers is how many callers run without a pause.
const soakers = 16

// TestSoak runs the relay at full speed over services that fail at random. Each
// answer has to be the right one for its own call, no POST may be processed
// twice, and what the process holds may not grow. OMR_SOAK=10m makes it longer,
// OMR_SOAK_SEED repeats one.
func TestSoak(t *testing.T) {
	lasts := duration(t, "OMR_SOAK", 3*time.Second)
	seed := rand.Uint64()
	if text := os.Getenv("OMR_SOAK_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("OMR_SOAK_SEED=%d", seed)
	for _, p := range []protocol{http1, http2} {
		t.Run(string(p[5:]), func(t *testing.T) {
			s := newSoak(t, seed, p)
			const rounds = 5
			held := make([]holding, rounds)
			for i := range held {
				s.run(lasts / 2 / rounds)
				held[i] = measure()
			}
			s.judge(lasts/2, held)
		})
	}
}

type soak struct {
	t        *testing.T
	chaos    *chaos
	protocol protocol
	relay    *app.Relay
	lines    logProbe

	next [soakers]int // the number of each caller's next call

	mu       sync.Mutex // guards what follows
	outcomes map[string]int
	took     []time.Duration // of every fiftieth call
}

func newSoak(t *testing.T, seed uint64, p protocol) *soak {
	t.Helper()
	s := &soak{t: t, chaos: newChaos(seed), protocol: p, outcomes: map[string]int{}}
	for i := range s.next {
		s.next[i] = 1
	}
	w := s.chaos.world
	urls := map[app.Hop]string{}
	for hop, clean := range map[app.Hop]http.HandlerFunc{
		app.HopSecret: w.secrets.ServeHTTP, app.HopToken: w.mint, app.HopUpstream: echo,
	} {
		over, serve := http1, s.chaos.serveUpstream
		switch hop {
		case app.HopSecret:
			serve = s.chaos.serveServant(0)
		case app.HopToken:
			serve = s.chaos.serveServant(1)
		default:
			over = p
		}
		service := newService(t, over, false, clean)
		service.babble = clientID + clientSecret + accessToken
		if hop == app.HopUpstream {
			service.babble = result
		}
		service.elsewhere = "http://127.0.0.1:1"
		service.fail(&fault{name: "chaos", serve: serve})
		urls[hop] = service.url()
	}
	s.relay = newRelay(t, urls[app.HopSecret], urls[app.HopToken], urls[app.HopUpstream], &s.lines)
	return s
}

// run has all callers call for that long, and waits for the last answer.
func (s *soak) run(lasts time.Duration) {
	ends := time.Now().Add(lasts)
	var running sync.WaitGroup
	for n := range soakers {
		running.Go(func() {
			for time.Now().Before(ends) {
				s.call(n, s.next[n])
				s.next[n]++
			}
		})
	}
	running.Wait()
}

func (s *soak) call(n, number int) {
	id := fmt.Sprintf("%d-%d", n, number)
	kind := []string{http.MethodGet, http.MethodPost, http.MethodDelete}[number%3]
	deadline := patient
	if s.chaos.plan(id) == &blackHole {
		deadline = time.Second
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), deadline)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: id})
	began := time.Now()
	payload, err := s.relay.Handler.Invoke(ctx, event(kind, id))
	took := time.Since(began)
	if err != nil {
		s.t.Errorf("%s %s: %v", kind, id, err)
		return
	}
	got, err := read(kind, id, payload)
	if err != nil {
		s.t.Errorf("%s %s: %v in %s", kind, id, err, payload)
	}
	if !s.chaos.allowed(kind, id, got.text, s.protocol) {
		s.t.Errorf("%s %s: answered %s: %s", kind, id, got.text, payload)
	}
	if leak := canaries.find(got.body); number%50 == 1 && leak != "" {
		s.t.Errorf("%s %s shows %s", kind, id, leak)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes[got.text]++
	if number%50 == 1 && deadline == patient {
		s.took = append(s.took, took)
	}
}

// holding is what the process holds when no call is under way.
type holding struct {
	heap        uint64
	goroutines  int
	descriptors int
}

func (h holding) String() string {
	return fmt.Sprintf("heap %.1f MB, %d goroutines, %d file descriptors", float64(h.heap)/(1<<20), h.goroutines, h.descriptors)
}

func measure() holding {
	// Twice, for what finalizers and pools let go of.
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h := holding{heap: m.HeapAlloc, goroutines: runtime.NumGoroutine()}
	if files, err := os.ReadDir("/proc/self/fd"); err == nil { // Linux alone
		h.descriptors = len(files)
	}
	return h
}

// judge compares what is held at the end with what was held after the first
// round, in which connections, pools and buffers find their size.
func (s *soak) judge(lasted time.Duration, held []holding) {
	t := s.t
	before, after := held[0], held[len(held)-1]
	// Connections come and go, each with two goroutines at either end; what
	// leaks, leaks with every call.
	const slack = 6 * soakers
	heap := before.heap + 8<<20
	if s.protocol == http2 {
		// net/http's timers hold a dead HTTP/2 connection for as long as an
		// idle one, and the faults kill dozens a second.
		heap += 40 << 20
	}
	if after.goroutines > before.goroutines+slack || after.descriptors > before.descriptors+slack || after.heap > heap {
		t.Errorf("grew from %s to %s", before, after)
	}
	if s.chaos.doubled != nil {
		t.Errorf("POSTs processed more than once: %v", s.chaos.doubled)
	}
	if leak := s.lines.leak.Load(); leak != nil {
		t.Errorf("the log shows %s", *leak)
	}
	total, well := 0, s.outcomes["200"]
	for _, n := range s.outcomes {
		total += n
	}
	// One call in 25 is meant to fail.
	if total == 0 || well < total*8/10 || s.chaos.faults == 0 {
		t.Errorf("%d of %d calls went through, %s", well, total, s.chaos)
	}
	slices.Sort(s.took)
	if len(s.took) == 0 {
		t.Fatal("hardly a call was made")
	}
	t.Logf("%s over %s: %d calls, %.0f a second; %s", lasted, s.protocol, total, float64(total)/lasted.Seconds(), s.chaos)
	t.Logf("p50 %s, p99 %s, p99.9 %s", s.took[len(s.took)/2], s.took[len(s.took)*99/100], s.took[len(s.took)*999/1000])
	for i, h := range held {
		t.Logf("after round %d: %s", i+1, h)
	}
	for _, text := range slices.Sorted(maps.Keys(s.outcomes)) {
		t.Logf("%8d  %s", s.outcomes[text], text)
	}
}

// logProbe looks for secrets in the lines of failures and in some of the
// others, and keeps none.
type logProbe struct {
	n    atomic.Uint64
	leak atomic.Pointer[string]
}

func (l *logProbe) Write(line []byte) (int, error) {
	if l.n.Add(1)%64 == 0 || bytes.Contains(line, []byte(`"error"`)) {
		for _, f := range []*finder{canaries, results} {
			if leak := f.find(line); leak != "" {
				leak += " in " + string(line)
				l.leak.CompareAndSwap(nil, &leak)
			}
		}
	}
	return len(line), nil
}
