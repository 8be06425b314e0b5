package batch

import "context"

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
}

// sheet is one that can be recognized.
func (t *taker) sheet(ctx context.Context, image, scan string) (sheet, error) {
	one := sheet{Image: image, Scan: scan, Sheet: sheetOf(scan, t.pattern.digest, t.terms.Threshold)}
	result, ok, err := t.result(ctx, callerOf(t.in.Prefix), one.Sheet)
	one.Known = ok && settled(result, t.terms.resubmit())
	return one, err
}
