package batch

import (
	"context"
	"errors"
	"io/fs"
	"time"
)

// sheet is a line of the manifest: a row of the tables.
type sheet struct {
	Image string `json:"image"`           // the name of its row
	Scan  string `json:"scan,omitempty"`  // what its content goes by
	Sheet string `json:"sheet,omitempty"` // what its result goes by
	// Known says that there is a result that no submission would better.
	Known bool `json:"known,omitempty"`
	// Same is the name of an earlier one with the same content.
	Same string `json:"same,omitempty"`
	// Fault is why it cannot be recognized.
	Fault string `json:"fault,omitempty"`
}

// source is a scan, before it is known how many sheets it has.
type source struct {
	Name string `json:"name"`
	Key  string `json:"key"`
	ETag string `json:"etag,omitempty"` // where a listing has it
}

// taker takes the scans of one batch.
type taker struct {
	*Runner

	in      Input
	pattern *pattern
	terms   *terms
	end     time.Time // of what this invocation begins
	// splitting lets one file be taken apart at a time, for it is in memory.
	splitting chan struct{}
}

// sheet is one that can be recognized.
func (t *taker) sheet(ctx context.Context, image, scan string) (sheet, error) {
	one := sheet{Image: image, Scan: scan, Sheet: sheetOf(scan, t.pattern.digest, t.terms.Threshold)}
	result, ok, err := t.result(ctx, callerOf(t.in.Prefix), one.Sheet)
	if err != nil || !ok || !settled(result, t.terms.resubmit()) {
		return one, err
	}
	err = t.Files.Renew(ctx, resultKey(callerOf(t.in.Prefix), one.Sheet), renewed)
	if errors.Is(err, fs.ErrNotExist) {
		return one, nil // its life ended just now
	}
	if err != nil {
		return one, unavailable("renewing a result", err)
	}
	one.Known = true
	return one, nil
}

// renewed is how old a result may be that a batch relies on. An older one is written
// anew, for a batch may take two days, and the bucket keeps it for three at least.
const renewed = 12 * time.Hour
