package batch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"

	"omr-relay/internal/batch/layout"
)

// The most that is read of an order, and of a pattern.
const (
	maxOrder   = 64 << 20
	maxPattern = 20 << 20
)

// order reads what the batch is asked to do.
func (r *Runner) order(ctx context.Context, prefix string) (*layout.Order, error) {
	var o layout.Order
	text, err := r.read(ctx, layout.OrderKey(prefix), maxOrder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &o, nil
	case errors.Is(err, errTooLarge):
		return nil, fault(BadInput, layout.Ordered+" is too large")
	case err != nil:
		return nil, unavailable("reading the order", err)
	}
	if json.Unmarshal(text, &o) != nil || !o.Valid() {
		return nil, fault(BadInput, layout.Ordered+" cannot be read")
	}
	return &o, nil
}

// keep returns what is kept of the batch, after a change.
func (r *Runner) keep(in Input, change func(*kept)) kept {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept.prefix != in.Prefix || r.kept.execution != in.Execution {
		r.kept = kept{prefix: in.Prefix, execution: in.Execution}
	}
	change(&r.kept)
	return r.kept
}

// givenPattern reads the pattern that lies under the prefix.
func (r *Runner) givenPattern(ctx context.Context, in Input) (*pattern, error) {
	return r.readPattern(ctx, layout.PatternKey(in.Prefix), "there is no "+layout.Pattern+" under the prefix")
}

// pattern reads the one that the list of sheets was made with, once an execution: the
// one under the prefix may have been changed since, and results go by the pattern.
func (r *Runner) pattern(ctx context.Context, in Input) (*pattern, error) {
	if k := r.keep(in, func(*kept) {}); k.pattern != nil {
		return k.pattern, nil
	}
	p, err := r.readPattern(ctx, patternKey(in.Prefix), "the batch's pattern is not there any more")
	if err == nil {
		r.keep(in, func(k *kept) { k.pattern = p })
	}
	return p, err
}

func (r *Runner) keepPattern(ctx context.Context, prefix string, p *pattern) error {
	if err := r.Files.Write(ctx, patternKey(prefix), bytes.NewReader(p.data), "application/octet-stream"); err != nil {
		return unavailable("writing to the bucket", err)
	}
	return nil
}

func (r *Runner) readPattern(ctx context.Context, key, without string) (*pattern, error) {
	data, err := r.read(ctx, key, maxPattern)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault(PatternMissing, without)
	case errors.Is(err, errTooLarge):
		return nil, fault(PatternMissing, layout.Pattern+" is too large for a recognition pattern")
	case err != nil:
		return nil, unavailable("reading the pattern", err)
	}
	return &pattern{data, sha256.Sum256(data)}, nil
}

// terms reads what the manifest step wrote, once an execution.
func (r *Runner) terms(ctx context.Context, in Input) (*terms, error) {
	if k := r.keep(in, func(*kept) {}); k.terms != nil {
		return k.terms, nil
	}
	text, err := r.read(ctx, termsKey(in.Prefix), maxRecord)
	var t terms
	if err == nil {
		err = json.Unmarshal(text, &t)
	}
	if err != nil {
		return nil, unavailable("reading the terms", err)
	}
	r.keep(in, func(k *kept) { k.terms = &t })
	return &t, nil
}

func (r *Runner) writeTerms(ctx context.Context, prefix string, t *terms) error {
	text, _ := json.Marshal(t) // plain values always marshal
	if err := r.Files.Write(ctx, termsKey(prefix), strings.NewReader(string(text)), "application/json"); err != nil {
		return unavailable("writing to the bucket", err)
	}
	return nil
}

// maxRecord is far above any record.
const maxRecord = 64 << 10
