// Package fleet lives through days of a fleet of execution environments, in virtual
// time: each has the relay's own secrets.Store, token.Cache and token.Transport in it,
// and Lambda, Secrets Manager, the token endpoint and Aspose around it are stand-ins.
// What must hold of any day is looked at in every run; docs/fleet.md has the figures.
//
//	fleet_test.go       what must hold, and that it would be seen if it did not
//	chart_test.go       the large runs, their record, and docs/fleet.md from it
//	svg_test.go         docs/fleet.svg from the same
//	world_test.go       one day: the dispatcher hands calls to environments
//	day_test.go         incidents, and days with them
//	traffic_test.go     how many calls come when
//	environment_test.go the relay in one environment, and the networks around that
//	invocation_test.go  what one call makes of it
//	service_test.go     the token endpoint, with its ban
//	watch_test.go       keeps the rules and counts
//
// One seed gives one day, to the last figure: chances are drawn by environment, and no
// two environments ever act at the same instant.
package fleet

import (
	"context"
	"maps"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"omr-relay/internal/token"
	"omr-relay/secrets"
)

// small is a fleet that lives through a day in half a second.
const small = 200

// TestAnyDay: whatever happens to a fleet, no expired token is sent, no POST is done
// twice, a new pair is used within five seconds, nothing runs in a frozen environment,
// and all callers are served again in time. OMR_FLEET_SEEDS=1000 lives through more.
func TestAnyDay(t *testing.T) {
	seeds := 12
	if text := os.Getenv("OMR_FLEET_SEEDS"); text != "" {
		var err error
		if seeds, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex // guards both
	hit, recovered := map[string]int{}, map[string]int{}
	t.Run("seeds", func(t *testing.T) {
		for seed := range uint64(seeds) {
			t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
				t.Parallel()
				day := anyDay(seed, small)
				w := run(t, &world{seed: seed, variant: asItIs, day: day})
				mustHold(t, w)
				mu.Lock()
				defer mu.Unlock()
				for i, in := range day.incidents {
					hit[in.name] += w.figures.FailedIn[i]
					recovered[in.name] += w.recovered[i]
				}
			})
		}
	})
	// A day on which nothing went wrong, or nobody called afterwards, would show nothing.
	for name, served := range recovered {
		harmless := name == "rotation" || name == "tokens revoked" || name == "deployment"
		if served == 0 || (hit[name] == 0) != harmless {
			t.Errorf("%s: %d callers were sent away, and %d served later", name, hit[name], served)
		}
	}
	if len(recovered) != 7 {
		t.Errorf("these happened: %q", slices.Sorted(maps.Keys(recovered)))
	}
}

func mustHold(t *testing.T, w *watch) {
	t.Helper()
	for rule, n := range w.broken {
		t.Errorf("seed %d: %s, %d times", w.world.seed, rule, n)
	}
}

// TestRulesAreKept: each rule finds what breaks it. Rules that are named only here
// would hold of anything.
func TestRulesAreKept(t *testing.T) {
	t.Parallel()
	rotating := []incident{rotation(at(9, 46), time.Minute)}
	dead := []incident{deadSecret(at(9, 46), 5*time.Minute, true)}
	for _, tt := range []struct {
		name      string
		incidents []incident
		broken    broken
		want      []rule
	}{
		{"nothing", slices.Concat(rotating, []incident{deployment(at(11, 0))}), broken{}, nil},
		{"every POST is sent twice", nil, broken{transport: func(_ *environment, next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(req *http.Request) (*http.Response, error) {
				if req.Method == http.MethodPost {
					_, _ = next.RoundTrip(req)
				}
				return next.RoundTrip(req)
			})
		}}, []rule{postDoubled}},
		{"a lost answer has the POST sent again", nil, broken{transport: func(_ *environment, next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if err != nil {
					return next.RoundTrip(req)
				}
				return resp, err
			})
		}}, []rule{postDoubled}},
		{"tokens end before they say", nil, broken{boasts: lifetime}, []rule{expiredSent}},
		{"the secret is kept for ten minutes", dead, broken{source: keeping}, []rule{otherHeld}},
		{"the secret is kept for ten minutes through a rotation", rotating, broken{source: keeping}, []rule{otherHeld}},
		{"an outage lasts longer than it says", []incident{{name: "outage", begins: at(9, 46), over: at(9, 47), steps: []step{
			{at(9, 46), func(w *world) { w.service.fail(answering503) }},
			{at(9, 49), func(w *world) { w.service.fail(working) }},
		}}}, broken{}, []rule{notServed}},
		{"a call runs on after its invocation", nil, broken{transport: func(e *environment, next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(req *http.Request) (*http.Response, error) {
				if req.Method == http.MethodPost {
					e.world.after.Go(func() {
						time.Sleep(time.Minute)
						e.enter()() // as each request to one of its servers begins and ends
					})
				}
				return next.RoundTrip(req)
			})
		}}, []rule{frozenRan}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			day := schoolDay(small)
			day.incidents = tt.incidents
			w := run(t, &world{seed: 1, variant: asItIs, day: day, broken: tt.broken})
			if got := slices.Sorted(maps.Keys(w.broken)); !slices.Equal(got, tt.want) {
				t.Errorf("these did not hold: %q, want %q", got, tt.want)
			}
		})
	}
}

// keeping is a source that reads the secret every ten minutes and not when it is asked.
func keeping(next token.Source) token.Source { return &keeper{next: next} }

type keeper struct {
	next token.Source
	read time.Time
	kept secrets.Credentials
}

func (k *keeper) Get(ctx context.Context) (secrets.Credentials, error) {
	if !k.read.IsZero() && time.Since(k.read) < 10*time.Minute {
		return k.kept, nil
	}
	credentials, err := k.next.Get(ctx)
	if err == nil {
		k.read, k.kept = time.Now(), credentials
	}
	return credentials, err
}

// TestOneSeedIsOneDay: two runs of a seed agree in every figure, and another seed does
// not.
func TestOneSeedIsOneDay(t *testing.T) {
	t.Parallel()
	day := anyDay(7, small)
	first := run(t, &world{seed: 7, variant: asItIs, day: day}).figures
	if again := run(t, &world{seed: 7, variant: asItIs, day: day}).figures; !reflect.DeepEqual(first, again) {
		t.Errorf("one seed came to\n%+v\nand\n%+v", first, again)
	}
	if other := run(t, &world{seed: 8, variant: asItIs, day: day}).figures; reflect.DeepEqual(first, other) {
		t.Error("two seeds came to the same")
	}
}
