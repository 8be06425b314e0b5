package omr_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"omr-relay/internal/omr"
)

// follow polls a task as the pace says, and returns how often, and how long its
// result waited.
func follow(p *omr.Pace, takes time.Duration) (polls int, late time.Duration) {
	age, pending := p.First(), time.Duration(0)
	for polls = 1; age < takes; polls++ {
		pending = age
		age += p.Again(age)
	}
	p.Ready(pending, age)
	return polls, age - takes
}

// TestPace is where the published figures come from: calls for a scan and the
// time that its result waits, for tasks whose times scatter.
func TestPace(t *testing.T) {
	for _, tt := range []struct {
		median time.Duration
		spread float64 // of the logarithm
		polls  float64 // at most, on average
		late   float64 // at most, on average, as a share of the median
	}{
		{700 * time.Millisecond, 0.1, 1.45, 0.25},
		{3 * time.Second, 0, 1.45, 0.15},
		{3 * time.Second, 0.2, 1.55, 0.25},
		{8 * time.Second, 0.5, 1.7, 0.55},
		{30 * time.Second, 0.3, 1.9, 0.30},
	} {
		random := rand.New(rand.NewPCG(1, 2))
		var p omr.Pace
		polls, late := 0, time.Duration(0)
		const learning, tasks = 30, 4000
		for i := range learning + tasks {
			n, wait := follow(&p, time.Duration(float64(tt.median)*math.Exp(tt.spread*random.NormFloat64())))
			if i >= learning {
				polls, late = polls+n, late+wait
			}
		}
		perTask, share := float64(polls)/tasks, float64(late)/tasks/float64(tt.median)
		t.Logf("%v ± %.0f %%: %.2f polls a task, %.0f %% later than ready", tt.median, 100*tt.spread, perTask, 100*share)
		if perTask > tt.polls || share > tt.late {
			t.Errorf("%v: %.2f polls, %.2f late; want at most %.2f and %.2f", tt.median, perTask, share, tt.polls, tt.late)
		}
	}
}

// A first task is searched for, and a change is learned within a few.
func TestPaceLearns(t *testing.T) {
	var p omr.Pace
	if polls, _ := follow(&p, 6*time.Second); polls > 6 {
		t.Errorf("the first task took %d polls", polls)
	}
	if polls, _ := follow(&p, 6*time.Second); polls > 2 {
		t.Errorf("the second task took %d polls", polls)
	}
	for _, takes := range []time.Duration{20 * time.Second, 2 * time.Second} {
		for range 40 {
			follow(&p, takes)
		}
		if first := p.First(); first < takes*8/10 || first > takes*14/10 {
			t.Errorf("tasks that take %v are asked for after %v", takes, first)
		}
	}
	for _, age := range []time.Duration{0, time.Hour} {
		if again := p.Again(age); again < 100*time.Millisecond || again > 10*time.Second {
			t.Errorf("asked again after %v", again)
		}
	}
	before := p.First()
	p.Ready(0, time.Hour)
	if p.First() != before {
		t.Error("a result fetched long after it was ready was learned from")
	}
}
