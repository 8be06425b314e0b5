package main

import "testing"

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 4}, 4}} {
		if got := median(tc.values); got != tc.want {
			t.Errorf("median of %v is %v, want %v", tc.values, got, tc.want)
		}
	}
}

func TestRatio(t *testing.T) {
	of, low, high := ratio([]float64{1, 2, 3}, []float64{10, 10, 5})
	if of != 0.2 || low != 0.1 || high != 0.6 {
		t.Errorf("ratio %v, spread %v–%v; want 0.2, 0.1–0.6", of, low, high)
	}
}

func TestSeries(t *testing.T) {
	s := series{}
	s.of(2)(latency, 7)
	s.of(0)(latency, 5)
	s.of(2)(latency, 8)
	if got := s[latency]; len(got) != 3 || len(got[0]) != 1 || len(got[1]) != 0 || len(got[2]) != 2 || got[2][1] != 8 {
		t.Errorf("series %v", got)
	}
}
