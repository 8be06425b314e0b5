package faultmatrix

import (
	"slices"
	"testing"
)

// s3Faults are all there are of S3, in the order of docs/faults.md.
var s3Faults = []*fault{
	s3Refused, s3ResetEarly, s3ResetEarlyOnce, s3ResetMid, s3ResetMidOnce, s3Silent, s3SilentOnce, s3Late, s3Trickles, s3NoTLS, s3Alert, s3Expired,
	s3Denied, s3NoBucket, s3Gone, s3NoPage, s3Conflict, s3ConflictOnce, s3Changed, s3ChangedOnce, s3Failed, s3FailedOnce, s3Slow, s3SlowOnce,
	s3Moved, s3Elsewhere, s3Empty, s3Page, s3NotHTTP, s3BadHeader, s3Switches, s3Mislabels, s3Coded, s3Surplus, s3Short, s3Large,
	s3WriteLost, s3WriteLostOnce, s3WriteFails, s3WriteFailsOnce, s3Other, s3Whole, s3ChangedMid,
}

var (
	s3ResetEarlyOnce = once(s3ResetEarly)
	s3ResetMidOnce   = once(s3ResetMid)
	s3SilentOnce     = once(s3Silent)
	s3ConflictOnce   = once(s3Conflict)
	s3ChangedOnce    = once(s3Changed)
	s3FailedOnce     = once(s3Failed)
	s3SlowOnce       = once(s3Slow)
	s3WriteLostOnce  = once(s3WriteLost)
	s3WriteFailsOnce = once(s3WriteFails)
)

// What the same request is answered when all is well again.
const (
	fresh = "202"                     // it is submitted
	known = "200"                     // it was, and this is its result
	held  = "409 request_in_progress" // nobody knows; 409 submission_unknown later
)

// met is what comes of a fault.
type met struct {
	answer    string // status and code
	submitted int    // whole submissions that the upstream got
	again     string
	before    bool // the submission is an earlier request's
}

// bucketRow is what is expected of faults that are met alike.
type bucketRow struct {
	at     step
	met    met
	faults group
}

var (
	throughS3 = met{"202", 1, known, false}
	noS3      = met{"503 bucket_unavailable", 0, fresh, false}
	leftS3    = met{"503 bucket_unavailable", 0, held, false}
	lostS3    = met{"202", 1, held, false}
	s3Lasts   = group{s3Refused, s3Alert, s3Expired}
	s3Hangs   = group{s3Silent, s3Trickles, s3NoTLS}
	s3Passing = group{s3ResetEarlyOnce, s3ResetMidOnce, s3SilentOnce, s3Late, s3FailedOnce, s3SlowOnce, s3Mislabels, s3Surplus}
	s3Errors  = group{s3ResetEarly, s3Denied, s3NoBucket, s3NoPage, s3Failed, s3Slow, s3Moved, s3Elsewhere, s3Empty, s3Page, s3NotHTTP, s3BadHeader, s3Switches}
)

// bucketTable is the one place that says what happens when S3 fails.
var bucketTable = []bucketRow{
	// The intent. A write that may have been done leaves a record behind.
	{intent, throughS3, of(s3Passing, group{s3ResetMid, s3WriteLostOnce, s3WriteFailsOnce, s3ConflictOnce, s3ChangedOnce})},
	{intent, noS3, of(s3Errors, s3Lasts, group{s3Silent, s3NoTLS})},
	{intent, leftS3, group{s3WriteLost, s3WriteFails, s3Trickles}},
	{intent, met{"409 request_in_progress", 0, fresh, false}, group{s3Conflict, s3Changed}},

	// Finding the upload. That nothing was submitted is put on record, but where
	// S3 is out of reach, or time is over.
	{finding, throughS3, of(s3Passing)},
	{finding, noS3, of(s3Errors, group{s3ResetMid, s3Coded, s3Large, s3Short})},
	{finding, leftS3, of(s3Lasts, s3Hangs)},
	{finding, met{"404 upload_not_found", 0, fresh, false}, group{s3Gone}},

	{reading, throughS3, of(s3Passing)},
	{reading, noS3, of(s3Errors, group{s3ResetMid, s3Coded, s3Large, s3Short, s3Other, s3Whole})},
	{reading, leftS3, of(s3Lasts, s3Hangs)},
	{reading, met{"404 upload_not_found", 0, fresh, false}, group{s3Gone}},
	{reading, met{"409 upload_changed", 0, fresh, false}, group{s3Changed, s3ChangedMid}},

	// The task. Whatever becomes of its record, the caller has it.
	{storing, throughS3, of(s3Passing, group{s3WriteLostOnce, s3WriteFailsOnce, s3ConflictOnce, s3ChangedOnce})},
	{storing, lostS3, of(s3Errors, s3Lasts, group{s3Silent, s3NoTLS, s3Conflict, s3Changed})},
	{storing, throughS3, group{s3ResetMid, s3WriteLost, s3WriteFails, s3Trickles}},

	// The record of a request that came before.
	{recorded, met{"200", 1, known, true}, of(s3Passing)},
	{recorded, met{"503 bucket_unavailable", 1, known, true}, of(s3Errors, s3Lasts, s3Hangs, group{s3ResetMid, s3Coded, s3Short, s3Large})},
	{recorded, met{"409 request_in_progress", 1, known, true}, group{s3Gone}},
}

// befalls reports whether a fault can happen at a step.
func befalls(f *fault, at step) bool {
	switch f {
	case s3Conflict, s3ConflictOnce, s3ChangedOnce, s3WriteLost, s3WriteLostOnce, s3WriteFails, s3WriteFailsOnce:
		return at.writes()
	case s3Gone, s3Coded, s3Short, s3Large:
		return !at.writes()
	case s3Changed:
		return at.writes() || at == reading
	case s3Other, s3Whole, s3ChangedMid:
		return at == reading
	default:
		return true
	}
}

func findBucket(at step, f *fault) (met, bool) {
	for _, r := range bucketTable {
		if r.at == at && slices.Contains(r.faults, f) {
			return r.met, true
		}
	}
	return met{}, false
}

// TestBucketTableIsWhole wants one row for every cell, and none for anything else.
func TestBucketTableIsWhole(t *testing.T) {
	for _, at := range steps {
		for _, f := range s3Faults {
			rows := 0
			for _, r := range bucketTable {
				if r.at == at && slices.Contains(r.faults, f) {
					rows++
				}
			}
			if want := befalls(f, at); want && rows != 1 || !want && rows != 0 {
				t.Errorf("%s, %s: %d rows", at, f.name, rows)
			}
		}
	}
}
