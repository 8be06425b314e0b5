package batch

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"

	"omr-relay/internal/journal"
	"omr-relay/internal/omr"
	"omr-relay/internal/recognition"
)

// maxResult is above what comes of the largest answer of the upstream's.
const maxResult = 32 << 20

// result is what became of a sheet. One that cannot be read is none: the record of its
// submission keeps it from being paid for again.
func (r *Runner) result(ctx context.Context, caller, sheet string) (result journal.Result, ok bool, err error) {
	text, err := r.read(ctx, resultKey(caller, sheet), maxResult)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errTooLarge):
		return result, false, nil
	case err != nil:
		return result, false, unavailable("reading a result", err)
	}
	if err := json.Unmarshal(text, &result); err != nil {
		return journal.Result{}, false, nil //nolint:nilerr // see above
	}
	return result, true, nil
}

// conclude stores what became of a sheet, so that no other batch pays for it again.
func (r *Runner) conclude(ctx context.Context, caller, sheet string, result journal.Result) (*Output, error) {
	text, _ := json.Marshal(result) // plain values always marshal
	if err := r.Files.Write(ctx, resultKey(caller, sheet), strings.NewReader(string(text)), "application/json"); err != nil {
		return nil, unavailable("writing a result", err)
	}
	return &Output{State: Done}, nil
}

// settled reports whether a result is the last word on a sheet: one that was paid for,
// or may have been. What was not is tried again.
func settled(known journal.Result, resubmit bool) bool {
	switch {
	case known.Status == recognition.Refused, known.Status == recognition.NotFetched, known.Status == recognition.NotReady:
		return false
	case known.Status == recognition.SubmissionUnknown, lost(known):
		return !resubmit
	default:
		return true
	}
}

// lost reports whether only another submission would bring answers.
func lost(known journal.Result) bool {
	return known.Status == string(omr.TaskNotFound) || known.Status == string(omr.ResultDataLost)
}
