//go:build !race

package faults

// raceDetector says that this test, and so what it builds, has it.
const raceDetector = false
