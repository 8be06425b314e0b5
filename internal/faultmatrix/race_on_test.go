//go:build race

package faultmatrix

import "time"

// raceDetector says that this test, and so what it builds, has it.
const raceDetector = true

// slack is how late an answer may be: all cells run beside one another, several times
// slower than without it, and what is left of a deadline in the end is 0.1 s.
const slack = time.Second
