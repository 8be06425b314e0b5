package document

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// TIFFPages returns how many pages a TIFF of so many bytes has, or 0 if that cannot
// be told, as of one that is broken. It looks for no more than most, if that is
// not 0: whether the file goes on after them, and goes on well, it does not say.
//
// It follows the chain of image file directories (TIFF 6.0, section 2) in one read
// for the header and, commonly, one of 4 KB for each directory. Thumbnails are
// directories, too, and count for nothing. An error is one of r, which may have
// ended before its size.
func TIFFPages(r io.ReaderAt, size int64, most int) (int, error) {
	pages, err := tiffPages(r, size, most)
	switch {
	case errors.Is(err, errBroken):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("reading a TIFF: %w", err)
	}
	return pages, nil
}

// errBroken is for a file that is not as it should be.
var errBroken = errors.New("broken")

func tiffPages(r io.ReaderAt, size int64, most int) (pages int, err error) {
	t, next, err := openTIFF(r, size)
	if err != nil {
		return 0, err
	}
	seen := map[uint64]bool{}
	for range maxPages {
		if next == 0 {
			return pages, nil
		}
		if seen[next] {
			break
		}
		seen[next] = true
		var thumbnail bool
		if thumbnail, next, err = t.directory(next); err != nil {
			return 0, err
		}
		if !thumbnail {
			pages++
		}
		if pages == most && most > 0 {
			return pages, nil
		}
	}
	return 0, errBroken // the chain has no end
}

// tiff reads numbers out of a TIFF; big is BigTIFF, where they are wider.
type tiff struct {
	r     io.ReaderAt
	size  uint64
	in    *bufio.Reader // at commonSize bytes of it
	order binary.ByteOrder
	big   bool
}

// Reads of a directory: commonSize is more than most take, and chunkSize is for
// the rest of one that takes more.
const (
	commonSize = 4 << 10
	chunkSize  = 64 << 10
)

// openTIFF returns the offset of the first directory.
func openTIFF(r io.ReaderAt, size int64) (t *tiff, first uint64, err error) {
	if size < 8 {
		return nil, 0, errBroken
	}
	header := make([]byte, min(size, 16))
	if n, err := r.ReadAt(header, 0); n < len(header) {
		return nil, 0, early(err)
	}
	t = &tiff{r: r, size: uint64(size), in: bufio.NewReaderSize(nil, commonSize), order: binary.LittleEndian}
	if header[0] == 'M' {
		t.order = binary.BigEndian
	}
	t.big = header[2] == '+' || header[3] == '+'
	field := header[4:8]
	if t.big {
		if len(header) < 16 {
			return nil, 0, errBroken
		}
		field = header[8:16]
	}
	first = t.number(field)
	return t, first, nil
}

// early is an error of a reader that has not read what is there.
func early(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (t *tiff) number(field []byte) uint64 {
	switch len(field) {
	case 2:
		return uint64(t.order.Uint16(field))
	case 4:
		return uint64(t.order.Uint32(field))
	default:
		return t.order.Uint64(field)
	}
}

const (
	// newSubfileType is the tag whose lowest bit marks a reduced image.
	newSubfileType = 254
	// maxEntries is more than a directory has.
	maxEntries = 1 << 16
)

// directory reads the one at an offset, and where the next is.
func (t *tiff) directory(at uint64) (thumbnail bool, next uint64, err error) {
	countSize, entrySize, offsetSize, valueAt := 2, 12, 4, 8
	if t.big {
		countSize, entrySize, offsetSize, valueAt = 8, 20, 8, 12
	}
	left := t.size - min(at, t.size)
	if left < uint64(countSize) {
		return false, 0, errBroken
	}
	in := t.in
	in.Reset(io.NewSectionReader(t.r, int64(at), int64(left)))
	field, err := in.Peek(countSize)
	if err != nil {
		return false, 0, early(err)
	}
	count := t.number(field)
	if count > maxEntries || left < uint64(countSize)+count*uint64(entrySize)+uint64(offsetSize) {
		return false, 0, errBroken
	}
	if int(count)*entrySize > commonSize {
		in = bufio.NewReaderSize(in, chunkSize)
	}
	_, _ = in.Discard(countSize)
	for range count {
		entry, err := in.Peek(entrySize)
		if err != nil {
			return false, 0, early(err)
		}
		if t.number(entry[:2]) == newSubfileType {
			thumbnail = t.number(entry[valueAt:valueAt+4])&1 != 0
		}
		_, _ = in.Discard(entrySize)
	}
	if field, err = in.Peek(offsetSize); err != nil {
		return false, 0, early(err)
	}
	return thumbnail, t.number(field), nil
}
