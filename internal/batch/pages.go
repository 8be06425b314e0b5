package batch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"omr-relay/internal/batch/layout"
	"omr-relay/internal/bucket"
	"omr-relay/internal/scans"
)

// maxSplit is what a file may have that is taken apart: it is read into memory.
const maxSplit = 100 << 20

// splitting lets one file be taken apart at a time.
var splitting = make(chan struct{}, 1)

// takePages copies the pages of a PDF or TIFF, each as a sheet.
func (r *Runner) takePages(ctx context.Context, prefix string, s source, scan *bucket.Upload, order *layout.Order, pattern string, numbers *numbering) ([]sheet, error) {
	select {
	case splitting <- struct{}{}:
		defer func() { <-splitting }()
	case <-ctx.Done():
		return nil, unavailable("taking a file apart", ctx.Err())
	}
	if scan.Size > maxSplit {
		return []sheet{{Image: s.name, Fault: fmt.Sprintf("a file of more than %d MB", maxSplit>>20)}}, nil
	}
	path, err := keep(scan)
	if err != nil {
		return nil, unavailable("keeping a file", err)
	}
	defer os.Remove(path)
	set, err := scans.Find([]string{path}, scans.Limits{Sheet: maxSplit, File: maxSplit, Pages: r.MaxPages, Count: r.MaxSheets})
	if err != nil {
		return nil, unavailable("taking a file apart", err)
	}
	defer set.Close()
	var sheets []sheet
	for _, page := range set.Sheets {
		number, err := numbers.next()
		if err != nil {
			return nil, err
		}
		image := s.name
		if _, at, several := strings.Cut(page.Name, "#"); several {
			image += "#" + at
		}
		if err := r.put(ctx, scanKey(prefix, number), page); err != nil {
			return nil, err
		}
		sheets = append(sheets, sheet{Number: number, Image: image, ID: sheetID(page.Content, pattern, order)})
	}
	for _, f := range set.Faults {
		image := s.name
		if _, at, several := strings.Cut(f.Name, "#"); several {
			image += "#" + at
		}
		sheets = append(sheets, sheet{Image: image, Fault: f.Reason})
	}
	return sheets, nil
}

// keep copies a scan to this machine's disk.
func keep(scan *bucket.Upload) (path string, err error) {
	body, err := scan.Open()
	if err != nil {
		return "", err
	}
	defer body.Close()
	file, err := os.CreateTemp("", "scan-")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(file, body)
	return file.Name(), errors.Join(err, file.Close())
}

func (r *Runner) put(ctx context.Context, key string, page scans.Sheet) error {
	body, err := page.Open()
	if err != nil {
		return unavailable("reading page "+strconv.Quote(key), err)
	}
	defer body.Close()
	file, ok := body.(io.ReadSeeker)
	if !ok {
		return unavailable("reading a page", errNoFile)
	}
	if err := r.Files.Write(ctx, key, file, "application/octet-stream"); err != nil {
		return unavailable("writing a page", err)
	}
	return nil
}

var errNoFile = safe("it is no file")
