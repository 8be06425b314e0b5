package scans

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// tiffPages calls keep with each page of a TIFF (TIFF 6.0, and BigTIFF), in order,
// as a TIFF of its own. Pictures are copied as they are, whatever their
// compression; thumbnails are left out.
func tiffPages(data []byte, keep func(page int, data io.Reader) error) error {
	t, at, err := openTIFF(data)
	if err != nil {
		return err
	}
	page := 0
	for range maxDirectories {
		if at == 0 {
			return nil
		}
		entries, next, err := t.directory(at)
		if err != nil {
			return err
		}
		at = next
		if thumbnail(t, entries) {
			continue
		}
		page++
		single, err := t.extract(entries)
		if err != nil {
			return fmt.Errorf("page %d: %w", page, err)
		}
		if err := keep(page, bytes.NewReader(single)); err != nil {
			return err
		}
	}
	return errBrokenTIFF
}

const maxDirectories = 10_000 // a chain may be a circle

var errBrokenTIFF = errors.New("broken off, or no TIFF that can be read")

// tiff reads and writes numbers as one file has them.
type tiff struct {
	data   []byte
	order  byteOrder
	big    bool
	layout // of its directories
}

type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

type layout struct{ count, entry, offset int } // widths in bytes

func openTIFF(data []byte) (*tiff, uint64, error) {
	if len(data) < 16 {
		return nil, 0, errBrokenTIFF
	}
	t := &tiff{data: data, order: binary.LittleEndian, layout: layout{2, 12, 4}}
	if data[0] == 'M' {
		t.order = binary.BigEndian
	}
	if t.big = t.order.Uint16(data[2:]) == 43; t.big {
		t.layout = layout{8, 20, 8}
		return t, t.order.Uint64(data[8:]), nil
	}
	return t, uint64(t.order.Uint32(data[4:])), nil
}

// bytes returns n bytes at an offset.
func (t *tiff) bytes(at, n uint64) ([]byte, error) {
	if length := uint64(len(t.data)); at > length || n > length-at {
		return nil, errBrokenTIFF
	}
	return t.data[at : at+n], nil
}

// number reads one of as many bytes as there are.
func (t *tiff) number(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(t.order.Uint16(b))
	case 4:
		return uint64(t.order.Uint32(b))
	default:
		return t.order.Uint64(b)
	}
}

func (t *tiff) appendNumber(b []byte, n uint64, size int) []byte {
	switch size {
	case 2:
		return t.order.AppendUint16(b, uint16(n))
	case 4:
		return t.order.AppendUint32(b, uint32(n))
	default:
		return t.order.AppendUint64(b, n)
	}
}

// entry is a field of a directory, its values as they stand in the file.
type entry struct {
	tag, kind uint16
	values    []byte
}

// kindSizes are the widths of the field types, by number.
var kindSizes = [...]uint64{0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8}

func (e entry) size() int { return int(kindSizes[e.kind]) }

// The tags that matter here.
const (
	tagSubfileType     = 254
	tagCompression     = 259
	tagStripOffsets    = 273
	tagStripByteCounts = 279
	tagTileOffsets     = 324
	tagTileByteCounts  = 325

	oldJPEG = 6 // the compression whose tables lie anywhere in the file
)

// elsewhere are fields that point to other directories, which are not the
// picture's.
var elsewhere = []uint16{330, 34665, 34853, 40965}

// directory reads the one at an offset, and where the next is.
func (t *tiff) directory(at uint64) (entries []entry, next uint64, err error) {
	head, err := t.bytes(at, uint64(t.layout.count))
	if err != nil {
		return nil, 0, err
	}
	n := t.number(head)
	if n > 4096 {
		return nil, 0, errBrokenTIFF
	}
	at += uint64(t.layout.count)
	for range n {
		field, err := t.bytes(at, uint64(t.entry))
		if err != nil {
			return nil, 0, err
		}
		at += uint64(t.entry)
		e := entry{tag: t.order.Uint16(field), kind: t.order.Uint16(field[2:])}
		count, inline := t.number(field[4:4+t.offset]), field[4+t.offset:]
		if int(e.kind) >= len(kindSizes) || kindSizes[e.kind] == 0 {
			continue // a type that readers pass over, as the standard asks
		}
		if count > uint64(len(t.data)) {
			return nil, 0, errBrokenTIFF
		}
		if size := count * kindSizes[e.kind]; size <= uint64(t.offset) {
			e.values = inline[:size]
		} else if e.values, err = t.bytes(t.number(inline), size); err != nil {
			return nil, 0, err
		}
		if !slices.Contains(elsewhere, e.tag) {
			entries = append(entries, e)
		}
	}
	tail, err := t.bytes(at, uint64(t.offset))
	if err != nil {
		return nil, 0, err
	}
	return entries, t.number(tail), nil
}

// first returns the first value of a field.
func (t *tiff) first(entries []entry, tag uint16) (uint64, bool) {
	i := slices.IndexFunc(entries, func(e entry) bool { return e.tag == tag })
	if i < 0 || len(entries[i].values) < entries[i].size() {
		return 0, false
	}
	return t.number(entries[i].values[:entries[i].size()]), true
}

func thumbnail(t *tiff, entries []entry) bool {
	kind, ok := t.first(entries, tagSubfileType)
	return ok && kind&1 != 0
}

// extract returns a TIFF of one directory: header, picture, values, directory.
func (t *tiff) extract(entries []entry) ([]byte, error) {
	if compression, _ := t.first(entries, tagCompression); compression == oldJPEG {
		return nil, errors.New("compressed in the way of before 1995 (JPEG 6): save it anew")
	}
	out := t.header(0)
	out, entries, err := t.copyPicture(out, entries)
	if err != nil {
		return nil, err
	}
	fields := make([]byte, 0, len(entries)*t.entry)
	for _, e := range entries {
		fields = t.order.AppendUint16(t.order.AppendUint16(fields, e.tag), e.kind)
		fields = t.appendNumber(fields, uint64(len(e.values)/e.size()), t.offset)
		if len(e.values) <= t.offset {
			fields = append(append(fields, e.values...), make([]byte, t.offset-len(e.values))...)
			continue
		}
		out = aligned(out)
		fields = t.appendNumber(fields, uint64(len(out)), t.offset)
		out = append(out, e.values...)
	}
	out = aligned(out)
	copy(out, t.header(uint64(len(out))))
	out = t.appendNumber(out, uint64(len(entries)), t.layout.count)
	out = append(out, fields...)
	return t.appendNumber(out, 0, t.offset), nil // there is no next
}

func (t *tiff) header(directory uint64) []byte {
	out := slices.Clone(t.data[:4]) // byte order and version
	if t.big {
		out = append(out, t.data[4:8]...) // the width of offsets
	}
	return t.appendNumber(out, directory, t.offset)
}

// aligned pads to where values may begin.
func aligned(out []byte) []byte { return append(out, make([]byte, -len(out)&7)...) }

// copyPicture copies the strips or tiles and returns the fields that tell where
// they are now.
func (t *tiff) copyPicture(out []byte, entries []entry) ([]byte, []entry, error) {
	entries = slices.Clone(entries)
	copied := false
	for i, e := range entries {
		if e.tag != tagStripOffsets && e.tag != tagTileOffsets {
			continue
		}
		lengths := slices.IndexFunc(entries, func(l entry) bool {
			return l.tag == tagStripByteCounts && e.tag == tagStripOffsets || l.tag == tagTileByteCounts && e.tag == tagTileOffsets
		})
		if lengths < 0 || len(entries[lengths].values)/entries[lengths].size() != len(e.values)/e.size() {
			return nil, nil, errors.New("it does not say how long its picture is: save it anew")
		}
		counts, moved := entries[lengths], []byte(nil)
		for j := range len(e.values) / e.size() {
			at := t.number(e.values[j*e.size() : (j+1)*e.size()])
			n := t.number(counts.values[j*counts.size() : (j+1)*counts.size()])
			strip, err := t.bytes(at, n)
			if err != nil {
				return nil, nil, err
			}
			if len(out)+len(strip) > len(t.data)+1<<16 {
				return nil, nil, errBrokenTIFF // strips that lie over one another
			}
			out = aligned(out)
			moved = t.appendNumber(moved, uint64(len(out)), t.offset)
			out = append(out, strip...)
		}
		entries[i] = entry{tag: e.tag, kind: offsetKind(t.big), values: moved}
		copied = true
	}
	if !copied {
		return nil, nil, errors.New("there is no picture on it")
	}
	return out, entries, nil
}

// offsetKind is LONG, or LONG8.
func offsetKind(big bool) uint16 {
	if big {
		return 16
	}
	return 4
}
