package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"omr-relay/internal/batch/layout"
	"omr-relay/internal/bucket"
	"omr-relay/internal/budget"
)

// most is how many objects one request to S3 erases.
const most = 1000

// erase removes a batch: the results of its sheets, with the records of their
// submissions, its scans, its tables, and what was written about them. A manifest goes
// after the sheets that it names, and the order last, by which the API knows the batch.
// It takes most of the time that an invocation has, and goes on in the next. Erasing what
// is gone is done.
func (r *Runner) erase(ctx context.Context, in Input) (*Output, error) {
	end := time.Now().Add(left(ctx, budget.BatchFunction) * 3 / 4)
	err := r.Files.List(ctx, manifestsOf(in.Prefix), func(e bucket.Entry) error {
		err := r.eraseSheets(ctx, in.Prefix, e.Key)
		if err == nil {
			err = r.Files.Remove(ctx, []string{e.Key})
		}
		if err == nil && time.Now().After(end) {
			err = errEnough
		}
		return err
	})
	if err == nil {
		err = r.eraseRest(ctx, in.Prefix, end)
	}
	switch {
	case errors.Is(err, errEnough):
		return &Output{State: Erase, Seconds: 1}, nil
	case err != nil:
		return nil, unavailable("erasing the batch", err)
	}
	return &Output{State: Done}, nil
}

var errEnough = errors.New("enough for one invocation")

// eraseRest removes whatever lies under the prefix, the order last.
func (r *Runner) eraseRest(ctx context.Context, prefix string, end time.Time) error {
	var keys []string
	err := r.Files.List(ctx, prefix, func(e bucket.Entry) error {
		if e.Key == layout.OrderKey(prefix) {
			return nil
		}
		if keys = append(keys, e.Key); len(keys) < most {
			return nil
		}
		err := r.Files.Remove(ctx, keys)
		if keys = nil; err == nil && time.Now().After(end) {
			err = errEnough
		}
		return err
	})
	if err == nil {
		err = r.Files.Remove(ctx, keys)
	}
	if err == nil {
		err = r.Files.Remove(ctx, []string{layout.OrderKey(prefix)})
	}
	return err
}

// eraseSheets removes the results of the sheets that a manifest names. Where another
// batch has the same sheets, it has lost them, too: they are the same answers.
func (r *Runner) eraseSheets(ctx context.Context, prefix, manifestKey string) error {
	manifest, err := r.loadObject(ctx, manifestKey)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer manifest.remove()
	caller, lines := callerOf(prefix), json.NewDecoder(manifest.file)
	var keys []string
	for {
		var s sheet
		err := lines.Decode(&s)
		if errors.Is(err, io.EOF) {
			return r.Files.Remove(ctx, keys)
		}
		if err != nil {
			return fmt.Errorf("reading the manifest: %w", err)
		}
		if !layout.ValidID(s.Sheet) {
			continue
		}
		if keys = append(keys, resultKey(caller, s.Sheet), intentKey(caller, s.Sheet)); len(keys) >= most {
			if err := r.Files.Remove(ctx, keys); err != nil {
				return err
			}
			keys = nil
		}
	}
}
