package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"omr-relay/internal/document"
	"omr-relay/internal/omr"
	"omr-relay/internal/recognition"
	"omr-relay/internal/scans"
)

// find looks for the scans. What the relay takes of those that are too large for a
// call is asked where there are some.
func (j *job) find(ctx context.Context, names, leftOut []string) (err error) {
	limits := scans.Limits{Sheet: j.inCall(), Taker: "a call with this pattern", File: maxSplit, Pages: maxPages, Count: maxSheets}
	if j.service.uploader == nil {
		j.set, err = scans.Find(names, limits, leftOut...)
		return err
	}
	limits.Sheet, limits.Taker = uploadBytes, "a relay's bucket"
	if j.set, err = scans.Find(names, limits, leftOut...); err != nil {
		return err
	}
	if !slices.ContainsFunc(j.set.Sheets, func(s scans.Sheet) bool { return s.Size > j.inCall() }) {
		return nil
	}
	if err := j.check(ctx); err != nil {
		return errors.Join(err, j.set.Close())
	}
	limit, err := j.service.uploader.limit(ctx)
	if err != nil {
		return errors.Join(err, j.set.Close())
	}
	limits.Sheet, limits.Taker = limit, "the relay's bucket"
	if limit == 0 {
		limits.Sheet, limits.Taker = j.inCall(), "a call with this pattern"
	}
	if !slices.ContainsFunc(j.set.Sheets, func(s scans.Sheet) bool { return s.Size > limits.Sheet }) {
		return nil
	}
	if err := j.set.Close(); err != nil {
		return err
	}
	j.set, err = scans.Find(names, limits, leftOut...)
	return err
}

// check asks once whether the service is there.
func (j *job) check(ctx context.Context) error {
	if j.checked {
		return nil
	}
	err := j.service.check(ctx)
	j.checked = err == nil
	return err
}

// inCall is what a scan may have to go in a call, beside the pattern.
func (j *job) inCall() int64 { return j.service.maxBytes - int64(len(j.pattern)) }

// upload is recognition's Prepare: it uploads what is too large for a call.
func (j *job) upload(ctx context.Context, sheet recognition.Sheet) (recognition.Submission, error) {
	if sheet.Document.Size <= j.inCall() {
		return nil, nil //nolint:nilnil // the client submits it
	}
	at := slices.IndexFunc(j.sheets, func(s recognition.Sheet) bool { return s.Key == sheet.Key })
	sent, end := j.shown.uploading(j.set.Sheets[at].Name, sheet.Document.Size)
	defer end()
	id, err := j.service.uploader.upload(ctx, sheet.Document, sent)
	if err != nil {
		return nil, err
	}
	options := uploadOptions{pattern: j.pattern, format: j.format, threshold: j.thresholdOrNone()}
	return func(ctx context.Context) (string, error) { return j.service.uploader.submit(ctx, id, options) }, nil
}

func readPattern(path string) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // the user names a file of their own
	if err != nil {
		return nil, fmt.Errorf("reading the pattern: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(file, maxPattern+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the pattern: %w", err)
	case len(data) > maxPattern:
		return nil, fmt.Errorf("%s: more than %s, which no recognition pattern has", path, size(maxPattern))
	case document.Identify(data).Readable():
		return nil, fmt.Errorf("%s: a scan, and no recognition pattern: --pattern takes the .omr file that was generated with the form", path)
	case !document.IsPattern(data):
		return nil, fmt.Errorf("%s: no recognition pattern: --pattern takes the .omr file that was generated with the form", path)
	}
	return data, nil
}

// keySheets tells sheets apart by what is recognized, and how. Samples have keys
// of their own: nobody must take them for answers.
func (j *job) keySheets() {
	pattern := sha256.Sum256(j.pattern)
	for i := range j.set.Sheets {
		s := &j.set.Sheets[i]
		text := fmt.Sprintf("%s %x %s %d %t", s.Content, pattern, j.format, j.threshold, j.service.sample)
		key := sha256.Sum256([]byte(text))
		j.sheets = append(j.sheets, recognition.Sheet{
			Key: hex.EncodeToString(key[:]), Document: omr.Document{Size: s.Size, Open: s.Open},
		})
	}
}
