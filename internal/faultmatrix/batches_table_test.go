package faultmatrix

import (
	"slices"
	"testing"
)

// sfnFaults are all there are of Step Functions, in the order of docs/faults.md.
var sfnFaults = []*fault{
	sfnRefused, sfnResetEarly, sfnResetEarlyOnce, sfnResetMid, sfnSilent, sfnSilentOnce, sfnLate, sfnTrickles, sfnNoTLS, sfnAlert, sfnExpired,
	sfnDenied, sfnNoMachine, sfnThrottled, sfnThrottledOnce, sfnFailed, sfnFailedOnce, sfnGone, sfnThere,
	sfnElsewhere, sfnEmpty, sfnNothing, sfnPage, sfnTruncated, sfnNotHTTP, sfnBadHeader, sfnSwitches, sfnMislabels, sfnCoded, sfnSurplus, sfnLarge, sfnAnother,
	sfnLost, sfnLostOnce, sfnDone500, sfnDone500Once,
}

var (
	sfnResetEarlyOnce = once(sfnResetEarly)
	sfnSilentOnce     = once(sfnSilent)
	sfnThrottledOnce  = once(sfnThrottled)
	sfnFailedOnce     = once(sfnFailed)
	sfnDone500Once    = once(sfnDone500)
)

// batchesRow is what is expected of faults that are met alike.
type batchesRow struct {
	at     []ask
	answer string // status and code; empty where it goes through
	done   bool   // all the same: the start, or the stop
	faults group
}

var (
	throughSfn = group{sfnResetEarlyOnce, sfnSilentOnce, sfnLate, sfnThrottledOnce, sfnFailedOnce, sfnMislabels, sfnCoded, sfnSurplus}
	noSfn      = group{sfnResetEarly, sfnSilent, sfnDenied, sfnThrottled, sfnFailed, sfnElsewhere, sfnEmpty, sfnNothing, sfnPage, sfnNotHTTP, sfnBadHeader, sfnSwitches}
	cutSfn     = group{sfnResetMid, sfnTruncated, sfnLarge}

	changing = []ask{startAsk, stopAsk}
	looking  = []ask{knownAsk, runningAsk, stateAsk, countsAsk}
)

const noBatches = "503 batches_unavailable"

// batchesTable is the one place that says what happens when Step Functions fail.
var batchesTable = []batchesRow{
	{at: asks, faults: throughSfn},
	{at: asks, answer: noBatches, faults: noSfn},
	{at: []ask{knownAsk, stateAsk}, answer: noBatches, faults: group{sfnRefused, sfnNoTLS, sfnAlert, sfnExpired}},
	{at: looking, answer: noBatches, faults: of(cutSfn, group{sfnTrickles})},

	{at: []ask{runningAsk, startAsk}, answer: noBatches, faults: group{sfnNoMachine}},
	{at: []ask{stateAsk, startAsk}, answer: noBatches, faults: group{sfnAnother}},
	{at: []ask{stateAsk}, answer: "404 batch_not_found", faults: group{sfnGone}},

	// There is none yet, and that is what is asked; or there is one, and it is ours.
	{at: []ask{knownAsk}, faults: group{sfnGone}},
	{at: []ask{startAsk}, faults: group{sfnThere}},

	// What was received is done once, and the same request finds it done.
	{at: changing, faults: group{sfnLostOnce, sfnDone500Once}},
	{at: changing, answer: noBatches, done: true, faults: of(cutSfn, group{sfnLost, sfnDone500, sfnTrickles})},
}

func findBatches(at ask, f *fault) (found []batchesRow) {
	for _, r := range batchesTable {
		if slices.Contains(r.at, at) && slices.Contains(r.faults, f) {
			found = append(found, r)
		}
	}
	return found
}

// TestBatchesTableIsWhole wants one row at most for every cell, and each fault in some.
func TestBatchesTableIsWhole(t *testing.T) {
	for _, f := range sfnFaults {
		rows := 0
		for _, at := range asks {
			n := len(findBatches(at, f))
			if rows += n; n > 1 {
				t.Errorf("%s, %s: %d rows", at, f.name, n)
			}
		}
		if rows == 0 {
			t.Errorf("%s: no row", f.name)
		}
	}
	for _, r := range batchesTable {
		for _, f := range r.faults {
			if !slices.Contains(sfnFaults, f) {
				t.Errorf("%s is not listed", f.name)
			}
		}
	}
}
