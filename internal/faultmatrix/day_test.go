package faultmatrix

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"omr-relay/internal/app"
	"omr-relay/internal/metric/metrictest"
	"omr-relay/internal/sandbox"
)

// TestDay runs environments of the relay from six in the morning to six in the
// evening, in virtual time, while one service after the other fails. Their lines have
// to tell what happened, as CloudWatch reads them, and nothing where nothing did.
// OMR_DAY=FILE makes the day busier and keeps the lines, of which .ci/dashboard draws
// docs/dashboard.svg.
func TestDay(t *testing.T) {
	lambdacontext.FunctionName = "RelayFunction"
	t.Cleanup(func() { lambdacontext.FunctionName = "" })
	busy, file := 0.1, os.Getenv("OMR_DAY")
	if file != "" {
		busy = 1
	}
	synctest.Test(t, func(t *testing.T) {
		d := &day{t: t, busy: busy, world: newWorld()}
		time.Sleep(6 * time.Hour) // bubbles begin at midnight
		var running sync.WaitGroup
		running.Go(d.befall)
		for n := range uint64(environments) {
			running.Go(func() { d.environment(n) })
		}
		running.Wait()
		d.judge()
		if file == "" {
			return
		}
		if err := os.WriteFile(file, d.out.bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	})
}

const environments = 4

// What befalls the day, by the clock.
var (
	begins, ends = clock(6, 0), clock(18, 0)
	revoked      = clock(7, 30)
	slow         = window{clock(9, 0), clock(9, 40)}
	tokensDown   = window{clock(11, 0), clock(12, 15)}
	mistyped     = window{clock(13, 30), clock(13, 50)}
	unreachable  = window{clock(15, 0), clock(15, 12)}
	lost         = window{clock(16, 0), clock(16, 20)} // a caller that has the wrong path
)

func clock(hour, minute int) time.Duration { return time.Duration(60*hour+minute) * time.Minute }

type window struct{ from, to time.Duration }

func (w window) has(at time.Duration) bool { return at >= w.from && at < w.to }

// now is the time of day.
func now() time.Duration { return time.Since(time.Now().UTC().Truncate(24 * time.Hour)) }

type day struct {
	t     *testing.T
	busy  float64
	world *world
	out   output

	mu      sync.Mutex // guards what follows
	invoked int        // HTTP events
	posts   int        // that came upstream with a good token
}

// befall is what somebody does to the world.
func (d *day) befall() {
	until := func(at time.Duration) { time.Sleep(at - now()) }
	until(revoked)
	d.world.revoke()
	until(mistyped.from)
	d.world.secrets.Put(secretID, `{"client_id":"`+clientID+`","client_secret":"mistyped"}`)
	d.world.revoke()
	until(mistyped.to)
	right, _ := json.Marshal(map[string]string{"client_id": clientID, "client_secret": clientSecret})
	d.world.secrets.Put(secretID, string(right))
}

// environment is one after the other, for Lambda replaces them within hours.
func (d *day) environment(n uint64) {
	r := rand.New(rand.NewPCG(17, n))
	for calls := 0; now() < ends; {
		relay := d.relay(r)
		ctx, cancel := context.WithTimeout(d.t.Context(), 2500*time.Millisecond)
		_ = relay.Prefetch(ctx)
		cancel()
		replaced := now() + time.Duration((1.5+2*r.Float64())*float64(time.Hour))
		pinged := now()
		for now() < min(replaced, ends) {
			if now() > pinged+5*time.Minute {
				pinged = now()
				d.invoke(relay, "warm", []byte(`{"warmup":true}`))
			}
			calls++
			d.task(relay, r, fmt.Sprintf("%d-%d", n, calls))
			time.Sleep(time.Duration(r.ExpFloat64() * float64(pause(now())) / d.busy))
		}
	}
}

// pause is how long an environment is idle on average: least in the late morning.
func pause(at time.Duration) time.Duration {
	noon := math.Cos(2 * math.Pi * (at - clock(11, 0)).Hours() / 14)
	return time.Duration((16 - 12*noon) * float64(time.Second))
}

// task is what a caller does with a form: submit it, and ask for it twice.
func (d *day) task(relay *app.Relay, r *rand.Rand, id string) {
	if lost.has(now()) && r.IntN(2) == 0 {
		d.call(relay, http.MethodGet, "/v5.0/ocr/recognize", id)
		return
	}
	d.call(relay, http.MethodPost, callPath, id)
	for range 2 {
		time.Sleep(2 * time.Second)
		d.call(relay, http.MethodGet, strings.Replace(callPath, "Post", "Get", 1), id)
	}
}

func (d *day) call(relay *app.Relay, method, path, id string) {
	text := strings.ReplaceAll(string(event(method, id)), callPath[1:], path[1:])
	d.mu.Lock()
	d.invoked++
	d.mu.Unlock()
	d.invoke(relay, id, []byte(text))
}

func (d *day) invoke(relay *app.Relay, id string, event []byte) {
	ctx, cancel := context.WithTimeout(d.t.Context(), 25*time.Second)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: id})
	if _, err := relay.Handler.Invoke(ctx, event); err != nil {
		d.t.Errorf("%s: %v", id, err)
	}
}

func (d *day) relay(r *rand.Rand) *app.Relay {
	served := map[app.Hop]http.RoundTripper{
		app.HopSecret:   after(r, 15*time.Millisecond, sandbox.InProcess(&d.world.secrets)),
		app.HopToken:    after(r, 180*time.Millisecond, sandbox.InProcess(http.HandlerFunc(d.token))),
		app.HopUpstream: after(r, 250*time.Millisecond, roundTrip(d.upstream)),
	}
	return app.New(virtualConfig(d.t, secretID), app.Options{
		AWS: virtualAWS(), Log: &d.out, Metrics: true,
		Wrap: func(hop app.Hop, _ http.RoundTripper) http.RoundTripper { return served[hop] },
	})
}

// after answers about that much later.
func after(r *rand.Rand, typical time.Duration, next http.RoundTripper) http.RoundTripper {
	r = rand.New(rand.NewPCG(r.Uint64(), r.Uint64())) // its own, for the hops run beside one another
	var mu sync.Mutex                                 // and so does a refresh beside a call
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		mu.Lock()
		takes := time.Duration(float64(typical) * math.Exp(0.45*r.NormFloat64()))
		mu.Unlock()
		if slow.has(now()) && strings.Contains(req.URL.RequestURI(), "/omr/") {
			takes *= 6
		}
		time.Sleep(takes)
		return next.RoundTrip(req)
	})
}

func (d *day) token(w http.ResponseWriter, r *http.Request) {
	if tokensDown.has(now()) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	d.world.mint(w, r)
}

func (d *day) upstream(req *http.Request) (*http.Response, error) {
	if unreachable.has(now()) {
		return nil, http.ErrServerClosed
	}
	if req.Method == http.MethodPost && d.world.accepts(req) {
		d.mu.Lock()
		d.posts++
		d.mu.Unlock()
	}
	return sandbox.InProcess(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slow.has(now()) && (now()/time.Second)%11 == 0 && d.world.accepts(r) {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		d.world.echo(w, r)
	})).RoundTrip(req)
}

// judge reads the lines as CloudWatch does.
func (d *day) judge() {
	t := d.t
	sums, problems := map[string]float64{}, map[string]window{}
	for line := range strings.Lines(string(d.out.bytes())) {
		if err := metrictest.Check([]byte(line)); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		var members map[string]any
		if err := json.Unmarshal([]byte(line), &members); err != nil {
			t.Fatal(err)
		}
		for name, value := range members {
			if number, ok := value.(float64); ok {
				sums[name] += number
			}
		}
		if code, ok := members["code"].(string); ok {
			at := time.UnixMilli(int64(members["_aws"].(map[string]any)["Timestamp"].(float64))).UTC()
			of := at.Sub(at.Truncate(24 * time.Hour))
			seen, known := problems[code]
			if !known {
				seen.from = of
			}
			problems[code] = window{seen.from, of}
		}
	}
	for name, want := range map[string]int{"calls": d.invoked, "billable_calls": d.posts, "mints": d.world.serial} {
		if sums[name] != float64(want) {
			t.Errorf("the lines have %v %s, there were %d", sums[name], name, want)
		}
	}
	for _, name := range []string{"mint_failures", "credentials_rejected", "repairs", "warm_ups", "warm_up_failures", "cold_starts", "secret_reads", "polls"} {
		if sums[name] == 0 {
			t.Errorf("the lines have no %s", name)
		}
	}
	// The answer comes as long after the fault as the caller is patient, or the pair held back.
	for code, fault := range map[string]window{
		"route_not_found": lost, "upstream_unreachable": unreachable, "token_unavailable": {tokensDown.from, mistyped.to},
	} {
		seen, ok := problems[code]
		if !ok || seen.from < fault.from || seen.to > fault.to+11*time.Minute {
			t.Errorf("%s from %s to %s, the fault lasts from %s to %s", code, seen.from, seen.to, fault.from, fault.to)
		}
		delete(problems, code)
	}
	if len(problems) > 0 {
		t.Errorf("and %v", problems)
	}
	if begins >= ends || sums["calls"] < 500 {
		t.Errorf("a day of %v calls", sums["calls"])
	}
}
