package fleet

import (
	"math/rand/v2"
	"time"
)

// traffic is how many calls come in each second of a day. All of it is whole numbers:
// floating point is not the same on every machine, and one seed is to give one day.
type traffic struct {
	fleet  int64 // environments that the largest burst keeps busy
	base   int64 // environments that are busy from seven to five, in thousandths of it
	quiet  bool  // whether nobody calls between the lessons and the exam
	length time.Duration
}

// meanCall is what an invocation takes on average, in milliseconds: see environment.run.
const meanCall = 11_500

// lesson is a burst of calls: they rise for two minutes and fall for two more.
type lesson struct {
	begins time.Duration
	share  int64 // of the fleet, in percent, busy at its height
}

var lessons = []lesson{{at(8, 0), 50}, {at(8, 50), 100}, {at(9, 45), 80}, {at(10, 40), 80}, {at(11, 40), 80}, {at(12, 30), 60}}

const (
	rises      = 120 // seconds
	lessonsEnd = 12*time.Hour + 35*time.Minute

	// The exam keeps a part of the fleet busy without a pause.
	examBegins, examEnds = 13*time.Hour + 30*time.Minute, 16 * time.Hour
	examShare            = 30 // of the fleet, in thousandths
)

// busyAt is how many environments the calls of a second keep busy, in thousandths.
func (t traffic) busyAt(second int64) int64 {
	share := int64(100) // in millionths: the night
	now := time.Duration(second) * time.Second
	if now >= at(7, 0) && now < at(17, 0) {
		share = t.base * 1000
	}
	if t.quiet && now >= lessonsEnd && now < examBegins {
		return 0
	}
	if now >= examBegins && now < examEnds {
		share += examShare * 1000
	}
	for _, l := range lessons {
		// The height comes two minutes after the lesson's beginning.
		off := second - int64(l.begins/time.Second) - rises
		share += max(rises-max(off, -off), 0) * l.share * 10_000 / rises
	}
	return t.fleet * share / 1000
}

// arrivals returns how many calls come in a second.
func (t traffic) arrivals(rng *rand.Rand, second int64) int {
	perMillion := t.busyAt(second) * 1_000_000 / meanCall // calls, in millionths
	n := perMillion / 1_000_000
	if rng.Int64N(1_000_000) < perMillion%1_000_000 {
		n++
	}
	return int(n)
}
