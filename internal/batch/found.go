package batch

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
)

// finds are the sheets of each scan, by the scan, as long as one execution looks for
// them: it may take several invocations.
type finds map[source][]sheet

// header is what finds are of: others are of no use.
type header struct {
	Execution string `json:"execution"`
	Pattern   string `json:"pattern"`
}

// find is a line of what an invocation found.
type find struct {
	Of     source  `json:"of"`
	Sheets []sheet `json:"sheets"`
}

func (t *taker) header() header {
	return header{t.in.Execution, hex.EncodeToString(t.pattern.digest[:])}
}

// foundBefore reads what an earlier invocation of the same execution found.
func (t *taker) foundBefore(ctx context.Context) (finds, error) {
	file, err := t.loadObject(ctx, foundKey(t.in.Prefix))
	if errors.Is(err, fs.ErrNotExist) {
		return finds{}, nil
	}
	if err != nil {
		return nil, unavailable("reading what was found", err)
	}
	defer file.remove()
	lines := json.NewDecoder(file.file)
	var of header
	if err := lines.Decode(&of); err != nil || of != t.header() {
		return finds{}, nil // another's, or none
	}
	found := finds{}
	for {
		var one find
		err := lines.Decode(&one)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, unavailable("reading what was found", err)
		}
		found[one.Of] = one.Sheets
	}
}

// keepFound stores what was found, for the next invocation.
func (t *taker) keepFound(ctx context.Context, found finds) error {
	d, err := newDraft()
	if err != nil {
		return err
	}
	defer d.remove()
	lines := json.NewEncoder(d) // errors show in store
	_ = lines.Encode(t.header())
	for of, sheets := range found {
		_ = lines.Encode(find{of, sheets})
	}
	return t.store(ctx, foundKey(t.in.Prefix), d, "application/jsonl")
}
