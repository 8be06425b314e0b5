package batch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"omr-relay/internal/bucket"
	"omr-relay/internal/scans"
)

// maxSplit is what a file may have that is taken apart: it is read into memory.
const maxSplit = 100 << 20

// sending is how many pages of a file are copied beside one another.
const sending = 16

// errLater leaves a scan to the next invocation.
var errLater = errors.New("there is no time left to begin it")

// takePages copies the pages of a PDF or TIFF, each as a sheet.
func (t *taker) takePages(ctx context.Context, s source, scan *bucket.Upload) ([]sheet, error) {
	if scan.Size > maxSplit {
		return []sheet{{Image: s.Name, Fault: fmt.Sprintf("larger than %d MB, which is what a file of pages may have", maxSplit>>20)}}, nil
	}
	select {
	case t.splitting <- struct{}{}:
		defer func() { <-t.splitting }()
	case <-ctx.Done():
		return nil, unavailable("taking a file apart", ctx.Err())
	}
	if time.Now().After(t.end) {
		return nil, errLater // the one before it took the time that there was
	}
	file, err := load(scan.Open)
	if err != nil {
		return nil, unavailable("reading a scan", err)
	}
	defer file.remove()
	set, err := scans.Find([]string{file.file.Name()}, scans.Limits{Sheet: maxSplit, File: maxSplit, Pages: t.MaxPages, Count: t.MaxSheets})
	if err != nil {
		return nil, unavailable("taking a file apart", err)
	}
	defer func() { _ = set.Close() }()
	if len(set.Sheets) > t.MaxSheets {
		return nil, errTooMany(t.MaxSheets)
	}
	sheets := make([]sheet, len(set.Sheets))
	_, err = beside(ctx, sending, len(sheets), time.Time{}, func(ctx context.Context, i int) error {
		page := set.Sheets[i]
		one, err := t.sheet(ctx, pageName(s.Name, page.Name), scanOf("page", page.Content))
		if sheets[i] = one; err != nil || one.Known {
			return err
		}
		return t.sendPage(ctx, one.Scan, page)
	})
	if err != nil {
		return nil, unavailable("copying a page", err)
	}
	var faults []sheet
	for _, f := range set.Faults {
		faults = append(faults, sheet{Image: pageName(s.Name, f.Name), Fault: f.Reason})
	}
	return slices.Concat(sheets, faults), nil
}

// pageName is the page of a file as its row is called.
func pageName(name, page string) string {
	if _, number, several := strings.Cut(page, "#"); several {
		return name + "#" + number
	}
	return name
}

func (t *taker) sendPage(ctx context.Context, scan string, page scans.Sheet) error {
	body, err := page.Open()
	if err != nil {
		return unavailable("reading a page", err)
	}
	defer body.Close()
	file, ok := body.(io.ReadSeeker) // a file on disk
	if !ok {
		return failed(nil)
	}
	if err := t.Files.Write(ctx, scanKey(t.in.Prefix, scan), file, "application/octet-stream"); err != nil {
		return unavailable("writing a page", err)
	}
	return nil
}

func errTooMany(most int) error {
	return fault(TooManySheets, fmt.Sprintf("a batch has %d sheets at most", most))
}
