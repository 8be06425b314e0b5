//go:build !race

package faultmatrix

// raceDetector says that this test, and so what it builds, has it.
const raceDetector = false
