package batch

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"time"

	"omr-relay/internal/bucket"
)

// most is how many objects one request to S3 erases.
const most = 1000

// erase removes a batch: the results of its sheets, its scans, its tables, and what was
// written about them. The manifest goes last: it names the sheets. It takes the time that
// an invocation has, and goes on in the next.
func (r *Runner) erase(ctx context.Context, in Input) (*Output, error) {
	end := lastMoment(ctx).Add(-time.Until(lastMoment(ctx)) / 4)
	if done, err := r.eraseSheets(ctx, in.Prefix, end); err != nil || !done {
		return &Output{State: Erase, Seconds: 1}, err
	}
	var last []string
	var keys []string
	count := 0
	stop := errors.New("enough")
	err := r.Files.List(ctx, in.Prefix, func(e bucket.Entry) error {
		if e.Key == manifestKey(in.Prefix) {
			last = append(last, e.Key)
			return nil
		}
		if keys = append(keys, e.Key); len(keys) < most {
			return nil
		}
		count += len(keys)
		err := r.Files.Remove(ctx, keys)
		if keys = nil; err == nil && time.Now().After(end) {
			err = stop
		}
		return err
	})
	if errors.Is(err, stop) {
		return &Output{State: Erase, Seconds: 1}, nil
	}
	if err == nil {
		err = r.Files.Remove(ctx, append(keys, last...))
	}
	if err != nil {
		return nil, unavailable("erasing the batch", err)
	}
	return &Output{State: Done}, nil
}

// eraseSheets removes the results of the sheets that the manifest names. Where another
// batch has the same sheets, it has lost them, too: they are the same answers.
func (r *Runner) eraseSheets(ctx context.Context, prefix string, end time.Time) (done bool, err error) {
	manifest, _, err := r.Files.Read(ctx, manifestKey(prefix))
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, unavailable("reading the manifest", err)
	}
	defer manifest.Close()
	caller, lines := callerOf(prefix), json.NewDecoder(manifest)
	var keys []string
	for lines.More() {
		var s sheet
		if err := lines.Decode(&s); err != nil {
			return false, unavailable("reading the manifest", err)
		}
		if s.ID != "" && !strings.Contains(s.ID, "/") {
			keys = append(keys, resultKey(caller, s.ID))
		}
		if len(keys) == most {
			if err := r.Files.Remove(ctx, keys); err != nil {
				return false, unavailable("erasing results", err)
			}
			if keys = nil; time.Now().After(end) {
				return false, nil
			}
		}
	}
	if err := r.Files.Remove(ctx, keys); err != nil {
		return false, unavailable("erasing results", err)
	}
	return true, nil
}
