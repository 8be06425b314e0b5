package batch

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"strings"
)

// Order is what the API was asked for. Its zero value is whatever lies under the
// prefix, at the upstream's own threshold.
type Order struct {
	// Name is what people call the batch.
	Name string `json:"name,omitempty"`
	// Threshold is a percentage; nil leaves it to the upstream.
	Threshold *int `json:"threshold,omitempty"`
	// Resubmit has sheets sent again that may have been paid for and have no result.
	Resubmit bool `json:"resubmit,omitempty"`
	// Folder is what the keys of the scans begin with, among the caller's uploads, where
	// Uploads does not name them one by one.
	Folder string `json:"folder,omitempty"`
	// Uploads are the scans, in the order of their rows.
	Uploads []OrderedUpload `json:"uploads,omitempty"`
}

// ValidFolder reports whether a caller may name it as the prefix of its uploads: it must
// not lead anywhere else, and ends in a slash.
func ValidFolder(folder string) bool {
	return len(folder) > 1 && len(folder) <= 512 && strings.HasSuffix(folder, "/") && !strings.HasPrefix(folder, "/") &&
		!strings.Contains("/"+folder, "/../") && !strings.Contains("/"+folder, "/./") && !strings.Contains(folder, "//")
}

// OrderedUpload is one of the caller's uploads.
type OrderedUpload struct {
	Upload string `json:"upload"`
	Name   string `json:"name,omitempty"` // of its row
}

// The most that is read of an order, and of a pattern.
const (
	maxOrder   = 64 << 20
	maxPattern = 20 << 20
)

// order reads the batch's order and its pattern, and keeps them for the next sheet.
func (r *Runner) order(ctx context.Context, prefix string) (*Order, []byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.prefix == prefix && r.ordered != nil {
		return r.ordered, r.pattern, nil
	}
	pattern, err := r.read(ctx, PatternKey(prefix), maxPattern)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fault(PatternMissing, "there is no "+patternName+" under the prefix", nil)
	}
	if err != nil {
		return nil, nil, unavailable("reading the pattern", err)
	}
	var o Order
	text, err := r.read(ctx, OrderKey(prefix), maxOrder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, nil, unavailable("reading the order", err)
	default:
		if json.Unmarshal(text, &o) != nil || o.Threshold != nil && (*o.Threshold < 0 || *o.Threshold > 100) || o.Folder != "" && !ValidFolder(o.Folder) {
			return nil, nil, fault(BadInput, orderName+" cannot be read", nil)
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
