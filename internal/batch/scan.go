package batch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"omr-relay/internal/document"
)

// maxScan is what a document may have that goes upstream, in bytes.
const maxScan = 200 << 20

// take looks at one scan and copies it, a page each, to where it lives as long as the
// batch's results. What cannot be recognized becomes a sheet with its fault. What has a
// result is not copied.
func (t *taker) take(ctx context.Context, s source) ([]sheet, error) {
	scan, err := t.Files.Find(ctx, s.Key)
	if errors.Is(err, fs.ErrNotExist) {
		return []sheet{{Image: s.Name, Fault: "it is not there: not sent whole, or older than a day"}}, nil
	}
	if err != nil {
		return nil, unavailable("reading a scan", err)
	}
	kind := document.Identify(scan.Head)
	switch {
	case !kind.Readable():
		return []sheet{{Image: s.Name, Fault: refusal(kind)}}, nil
	case scan.Size > maxScan:
		return []sheet{{Image: s.Name, Fault: fmt.Sprintf("larger than %d MB: scan it at a lower resolution, in grey, or as JPEG", maxScan>>20)}}, nil
	case kind == document.PDF || kind == document.TIFF:
		return t.takePages(ctx, s, scan)
	}
	one, err := t.sheet(ctx, s.Name, scanOf("object", scan.ETag()))
	if err != nil || one.Known {
		return []sheet{one}, err
	}
	if err := t.Files.Copy(ctx, scan, scanKey(t.in.Prefix, one.Scan)); err != nil {
		return nil, unavailable("copying a scan", err)
	}
	return []sheet{one}, nil
}

func refusal(kind document.Kind) string {
	switch kind {
	case document.Empty:
		return "it is empty"
	case document.HEIC, document.AVIF, document.WebP:
		return string(kind) + ", which Aspose does not read: convert it to JPEG"
	case document.Damaged:
		return "damaged: something on its way here took it for text"
	default:
		return "not a scan: its content is none of JPEG, PNG, GIF, TIFF, BMP and PDF"
	}
}
