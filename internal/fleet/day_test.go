package fleet

import (
	"math/rand/v2"
	"time"
)

// day is what happens to a fleet: its traffic, and what goes wrong.
type day struct {
	traffic   traffic
	incidents []incident // in order; none begins before the one before is over
}

// incident is something that goes wrong, or that is done to a stack that runs.
type incident struct {
	name   string
	begins time.Duration // since midnight
	ends   time.Duration
	// over is when the last trace of it must be gone: a call that comes then or later
	// is served. Before begins no call fails either.
	over time.Duration
	// harmless is one that no caller may notice at any time.
	harmless bool
	stored   time.Duration // when a good pair was stored; 0 is never
	steps    []step
}

// step is one thing that is done to the world.
type step struct {
	at time.Duration
	do func(*world)
}

// settled is how long after the end of trouble a caller may still be sent away: the
// longest Retry-After, by which something new will have been tried, and a second for
// what was under way.
const settled = 31 * time.Second

// storedFor is after how long a newly stored pair is used by whoever comes.
const storedFor = 5 * time.Second

// outage has the token endpoint fail in one way.
func outage(begins, length time.Duration, how failing) incident {
	return incident{name: endpointOut, begins: begins, ends: begins + length, over: begins + length + settled, steps: []step{
		{begins, func(w *world) { w.service.fail(how) }},
		{begins + length, func(w *world) { w.service.fail(working) }},
	}}
}

// rotation stores a new pair and ends the old one, and its tokens, overlap later.
func rotation(begins, overlap time.Duration) incident {
	return incident{name: "rotation", begins: begins, ends: begins + overlap, over: begins + overlap, stored: begins, harmless: true, steps: []step{
		{begins, func(w *world) { w.store(w.service.create()) }},
		{begins + overlap, func(w *world) { w.service.end(w.beforePair, true) }},
	}}
}

// revocation ends all tokens of a pair that is good.
func revocation(begins time.Duration) incident {
	return incident{name: "tokens revoked", begins: begins, ends: begins + time.Minute, over: begins + time.Minute, harmless: true, steps: []step{
		{begins, func(w *world) { w.service.revoke(w.pair) }},
	}}
}

// deadSecret ends the pair in use and stores another one length later. Tokens are
// revoked with it, those of earlier pairs too, or live on.
func deadSecret(begins, length time.Duration, revoked bool) incident {
	return incident{name: "dead secret", begins: begins, ends: begins + length, over: begins + length + storedFor, stored: begins + length, steps: []step{
		{begins, func(w *world) { w.service.end(w.pair, revoked) }},
		{begins + length, func(w *world) { w.store(w.service.create()) }},
	}}
}

// spuriousDenial has the service deny a good pair for a moment: long enough for a
// fleet to earn it the ban. Where it does not, the second denial is held for two minutes.
func spuriousDenial(begins, length time.Duration) incident {
	return incident{name: goodBanned, begins: begins, ends: begins + length + banFor, over: begins + length + banFor + settled, steps: []step{
		{begins, func(w *world) { w.service.fail(denying) }},
		{begins + length, func(w *world) { w.service.fail(working) }},
	}}
}

// deadTwice is a dead secret that is replaced by another dead one first: two bans at
// once.
func deadTwice(begins, length time.Duration) incident {
	d := deadSecret(begins, length, true)
	d.name = "dead secret, twice"
	d.steps = append(d.steps[:1:1], step{begins + length/2, func(w *world) {
		dead := w.service.create()
		w.service.end(dead, true)
		w.store(dead)
	}}, d.steps[1])
	return d
}

// deployment has every environment replaced: the next call to each finds a new one.
func deployment(begins time.Duration) incident {
	return incident{name: "deployment", begins: begins, ends: begins + time.Minute, over: begins + time.Minute, harmless: true, steps: []step{
		{begins, func(w *world) { w.deploy() }},
	}}
}

// The names that figures are looked up by.
const (
	endpointOut = "token endpoint out"
	goodBanned  = "good pair banned"
)

func at(hour, minute int) time.Duration {
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
}

// schoolDay is the day of the chart.
func schoolDay(fleet int64) day {
	return day{
		traffic: traffic{fleet: fleet, base: 3, length: 24 * time.Hour},
		incidents: []incident{
			outage(at(9, 46), 10*time.Minute, answering503),
			spuriousDenial(at(10, 41), 5*time.Second),
			rotation(at(11, 40), time.Minute),
			deadSecret(at(12, 31), 15*time.Minute, true),
			deployment(deployed),
		},
	}
}

// deployed is when the environments that the exam keeps busy are replaced.
const deployed = 14 * time.Hour

// anyDay is a school day with incidents of all kinds at random times from seven to
// five. On every other one nobody calls between the lessons and the exam.
func anyDay(seed uint64, fleet int64) day {
	rng := rand.New(rand.NewPCG(seed, 1<<63))
	d := day{traffic: traffic{fleet: fleet, base: 20, quiet: rng.IntN(2) == 0, length: 24 * time.Hour}}
	for begins := at(7, 0); begins < at(17, 0); {
		begins += between(rng, 0, 50*time.Minute)
		length := between(rng, 20*time.Second, 15*time.Minute)
		var next incident
		switch rng.IntN(8) {
		case 0, 1:
			next = outage(begins, length, failing(1+rng.IntN(int(denying)-1)))
		case 2:
			next = rotation(begins, length/4)
		case 3:
			next = revocation(begins)
		case 4:
			next = deadSecret(begins, length, rng.IntN(2) == 0)
		case 5:
			next = spuriousDenial(begins, length/60)
		case 6:
			next = deployment(begins)
		default:
			next = deadTwice(begins, length)
		}
		d.incidents = append(d.incidents, next)
		begins = next.over + 2*time.Minute
	}
	return d
}

// steps are all that is done to the world, in order.
func (d day) steps() (all []step) {
	for _, i := range d.incidents {
		all = append(all, i.steps...)
	}
	return all
}
