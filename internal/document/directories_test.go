package document_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"omr-relay/internal/document"
)

// bigTIFF returns one of so many pages, each a directory of so many entries.
func bigTIFF(order binary.AppendByteOrder, pages, entries int) []byte {
	out := []byte("II")
	if order.AppendUint16(nil, 1)[0] == 0 {
		out = []byte("MM")
	}
	out = order.AppendUint16(order.AppendUint16(order.AppendUint16(out, 43), 8), 0)
	out = order.AppendUint64(out, 16)
	for page := range pages {
		out = order.AppendUint64(out, uint64(entries))
		for range entries {
			out = append(order.AppendUint16(out, 256), make([]byte, 18)...)
		}
		next := uint64(len(out) + 8)
		if page == pages-1 {
			next = 0
		}
		out = order.AppendUint64(out, next)
	}
	return out
}

// remote counts the reads, and fails all but the first so many.
type remote struct {
	io.ReaderAt

	reads, bytes, most int
}

func (r *remote) ReadAt(p []byte, at int64) (int, error) {
	if r.reads == r.most {
		return 0, errReset
	}
	r.reads++
	n, err := r.ReaderAt.ReadAt(p, at)
	r.bytes += n
	return n, err
}

func TestTIFFPagesCostsFewReads(t *testing.T) {
	for _, tt := range []struct {
		name                   string
		data                   []byte
		most, pages, reads, kb int
	}{
		{"all of many pages", tiff(binary.BigEndian, 40), 0, 40, 1 + 80, 200},
		{"two of many pages", tiff(binary.BigEndian, 40), 2, 2, 1 + 3, 12},
		{"one of one", tiff(binary.BigEndian, 1), 2, 1, 1 + 2, 1},
		{"one that is enough", tiff(binary.BigEndian, 1), 1, 1, 1 + 1, 1},
		{"BigTIFF", bigTIFF(binary.LittleEndian, 3, 12), 0, 3, 1 + 3, 3},
		{"BigTIFF, the other way", bigTIFF(binary.BigEndian, 3, 12), 2, 2, 1 + 2, 2},
		{"a directory as large as they may be", bigTIFF(binary.LittleEndian, 1, 1<<16), 0, 1, 1 + 22, 1281},
		{"a larger one", bigTIFF(binary.LittleEndian, 1, 1<<16+1), 0, 0, 1 + 1, 5},
	} {
		r := &remote{ReaderAt: bytes.NewReader(tt.data), most: -1}
		got, err := document.TIFFPages(r, int64(len(tt.data)), tt.most)
		if got != tt.pages || err != nil {
			t.Errorf("%s: %d pages, %v; want %d", tt.name, got, err, tt.pages)
		}
		if r.reads > tt.reads || r.bytes > tt.kb<<10 {
			t.Errorf("%s: %d reads of %d bytes in all, want %d of %d KB", tt.name, r.reads, r.bytes, tt.reads, tt.kb)
		}
	}
}

func TestTIFFPagesOfAChainWithoutEnd(t *testing.T) {
	data := tiff(binary.LittleEndian, 3)
	binary.LittleEndian.PutUint32(data[len(data)-4:], 8)
	for most, want := range map[int]int{0: 0, 2: 2, 4: 0} {
		r := &remote{ReaderAt: bytes.NewReader(data), most: 1 + 6}
		if got, err := document.TIFFPages(r, int64(len(data)), most); got != want || err != nil {
			t.Errorf("%d at most: %d pages, %v; want %d", most, got, err, want)
		}
	}
	for pages, want := range map[int]int{9_999: 9_999, 10_000: 0, 10_001: 0} {
		data := bigTIFF(binary.LittleEndian, pages, 0)
		agree(t, "a long chain", data)
		if got := document.Pages(data, document.TIFF); got != want {
			t.Errorf("%d of %d pages", got, pages)
		}
	}
}

// An error is the reader's: a file that is broken has none.
func TestTIFFPagesOfAReaderThatFails(t *testing.T) {
	data := bigTIFF(binary.LittleEndian, 2, 300)
	size := int64(len(data))
	for most := range 5 {
		r := &remote{ReaderAt: bytes.NewReader(data), most: most}
		got, err := document.TIFFPages(r, size, 0)
		if got != 0 || !errors.Is(err, errReset) || err.Error() != "reading a TIFF: connection reset" {
			t.Errorf("after %d reads: %d pages, %v", most, got, err)
		}
	}
	for end := range size {
		got, err := document.TIFFPages(bytes.NewReader(data[:end]), size, 0)
		if got != 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("a reader of %d bytes instead of %d: %d pages, %v", end, size, got, err)
		}
		if got, err := document.TIFFPages(bytes.NewReader(data[:end]), end, 0); got != 0 || err != nil {
			t.Fatalf("broken off after %d bytes: %d pages, %v", end, got, err)
		}
	}
	if got, err := document.TIFFPages(bytes.NewReader(data), -1, 0); got != 0 || err != nil {
		t.Errorf("a negative size: %d pages, %v", got, err)
	}
}
