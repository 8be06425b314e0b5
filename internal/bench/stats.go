package main

import "slices"

// series holds what was measured: for each measure and program, by its index,
// one value per round or epoch. The same index among the values of two programs
// is the same round.
type series map[measure][][]float64

// of returns a function that appends to what is held of program i.
func (s series) of(i int) func(measure, float64) {
	return func(m measure, value float64) {
		for len(s[m]) <= i {
			s[m] = append(s[m], nil)
		}
		s[m][i] = append(s[m][i], value)
	}
}

// median returns the middle of the values, or the mean of the two in the
// middle; 0 if there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	upper := sorted[len(sorted)/2]
	if len(sorted)%2 == 1 {
		return upper
	}
	return (sorted[len(sorted)/2-1] + upper) / 2
}

// ratio is that of the medians of a and b. low and high are the least and the
// greatest ratio of any one round.
func ratio(a, b []float64) (of, low, high float64) {
	of = median(a) / median(b)
	low, high = of, of
	for i := range min(len(a), len(b)) {
		low, high = min(low, a[i]/b[i]), max(high, a[i]/b[i])
	}
	return of, low, high
}
