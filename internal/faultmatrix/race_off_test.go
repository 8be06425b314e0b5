//go:build !race

package faultmatrix

// raceDetector says that this test, and so what it builds, has it.
const raceDetector = false

// slack is how late an answer may be.
const slack = 0
