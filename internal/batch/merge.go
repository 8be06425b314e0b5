package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"omr-relay/internal/batch/layout"
)

// ahead is how many results are read while others are written.
const ahead = 64

// merge writes the tables from the results, in the order of the manifest. It holds as
// many results as it reads ahead.
func (r *Runner) merge(ctx context.Context, in Input) (*Output, error) {
	manifest, err := r.loadObject(ctx, manifestKey(in.Prefix, in.Execution))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault(BadInput, "there is no list of the batch's sheets")
	}
	if err != nil {
		return nil, unavailable("reading the manifest", err)
	}
	defer manifest.remove()
	pattern, err := r.pattern(ctx, in)
	if err != nil {
		return nil, err
	}
	t, err := newTables(pattern.data)
	if err != nil {
		return nil, unavailable("keeping the tables", err)
	}
	defer t.remove()
	if err := r.rows(ctx, callerOf(in.Prefix), manifest.file, t.add); err != nil {
		return nil, unavailable("merging the results", err)
	}
	if err := t.finish(); err != nil {
		return nil, unavailable("keeping the tables", err)
	}
	for i, contentType := range []string{"text/csv; charset=utf-8", "application/jsonl", "text/csv; charset=utf-8"} {
		if err := r.store(ctx, layout.TableKey(in.Prefix, layout.Tables[i]), t.drafts[i], contentType); err != nil {
			return nil, err
		}
	}
	return &Output{State: Done, Sheets: t.rows, Answered: t.answered, Exceptions: t.excepted}, nil
}

// reading is a row whose result is on its way.
type reading struct {
	row

	err  error
	done chan struct{}
}

// rows calls yield with each line of the manifest and its result, in order.
func (r *Runner) rows(ctx context.Context, caller string, manifest io.Reader, yield func(row) error) error {
	ctx, cancel := context.WithCancel(ctx)
	lines := json.NewDecoder(manifest)
	var waiting []*reading
	defer func() {
		cancel()
		for _, next := range waiting {
			<-next.done
		}
	}()
	for more := true; more || len(waiting) > 0; {
		if more && len(waiting) < ahead {
			next := &reading{done: make(chan struct{})}
			err := lines.Decode(&next.sheet)
			if more = err == nil; more {
				waiting = append(waiting, next)
				go r.fill(ctx, caller, next)
			} else if !errors.Is(err, io.EOF) {
				return fmt.Errorf("reading the manifest: %w", err)
			}
			continue
		}
		next := waiting[0]
		waiting[0], waiting = nil, waiting[1:]
		<-next.done
		if next.err != nil {
			return next.err
		}
		if err := yield(next.row); err != nil {
			return err
		}
	}
	return nil
}

// fill reads a row's result.
func (r *Runner) fill(ctx context.Context, caller string, next *reading) {
	defer close(next.done)
	next.err = safely(func() (err error) {
		if next.Fault == "" {
			next.result, next.ok, err = r.result(ctx, caller, next.Sheet)
		}
		return err
	})
}
