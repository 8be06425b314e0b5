package batch

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"

	"omr-relay/internal/batch/layout"
)

// The most that is read of an order, and of a pattern.
const (
	maxOrder   = 64 << 20
	maxPattern = 20 << 20
)

// order reads the batch's order and its pattern, and keeps them for the next sheet.
func (r *Runner) order(ctx context.Context, prefix string) (*layout.Order, []byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.prefix == prefix && r.ordered != nil {
		return r.ordered, r.pattern, nil
	}
	pattern, err := r.read(ctx, layout.PatternKey(prefix), maxPattern)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fault(PatternMissing, "there is no "+layout.Pattern+" under the prefix", nil)
	}
	if err != nil {
		return nil, nil, unavailable("reading the pattern", err)
	}
	var o layout.Order
	text, err := r.read(ctx, layout.OrderKey(prefix), maxOrder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, nil, unavailable("reading the order", err)
	default:
		if json.Unmarshal(text, &o) != nil || o.Threshold != nil && (*o.Threshold < 0 || *o.Threshold > 100) || o.Folder != "" && !layout.ValidFolder(o.Folder) {
			return nil, nil, fault(BadInput, layout.Ordered+" cannot be read", nil)
		}
	}
	r.prefix, r.ordered, r.pattern = prefix, &o, pattern
	return &o, pattern, nil
}

func (r *Runner) read(ctx context.Context, key string, most int64) ([]byte, error) {
	body, _, err := r.Files.Read(ctx, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, most+1))
	if err == nil && int64(len(data)) > most {
		err = errTooLarge
	}
	return data, err
}

var errTooLarge = safe("it is too large")
