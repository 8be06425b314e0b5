package document

import "encoding/binary"

// tiffPages follows the chain of image file directories (TIFF 6.0, section 2).
// Thumbnails are directories, too, and count for nothing.
func tiffPages(data []byte) int {
	t, next, ok := openTIFF(data)
	if !ok {
		return 0
	}
	pages := 0
	for range maxPages {
		if next == 0 {
			return pages
		}
		var thumbnail bool
		if thumbnail, next, ok = t.directory(next); !ok {
			return 0
		}
		if !thumbnail {
			pages++
		}
	}
	return 0 // the chain has no end
}

// tiff reads numbers out of a TIFF; big is BigTIFF, where they are wider.
type tiff struct {
	data  []byte
	order binary.ByteOrder
	big   bool
}

// openTIFF returns the offset of the first directory.
func openTIFF(data []byte) (t tiff, first uint64, ok bool) {
	if len(data) < 8 {
		return tiff{}, 0, false
	}
	t = tiff{data: data, order: binary.LittleEndian, big: data[2] == '+' || data[3] == '+'}
	if data[0] == 'M' {
		t.order = binary.BigEndian
	}
	if t.big {
		first, ok = t.number(8, 8)
	} else {
		first, ok = t.number(4, 4)
	}
	return t, first, ok
}

// number reads size bytes at an offset.
func (t tiff) number(at uint64, size int) (uint64, bool) {
	if length := uint64(len(t.data)); at > length || length-at < uint64(size) {
		return 0, false
	}
	field := t.data[at:]
	switch size {
	case 2:
		return uint64(t.order.Uint16(field)), true
	case 4:
		return uint64(t.order.Uint32(field)), true
	default:
		return t.order.Uint64(field), true
	}
}

// newSubfileType is the tag whose lowest bit marks a reduced image.
const newSubfileType = 254

// directory reads the one at an offset, and where the next is.
func (t tiff) directory(at uint64) (thumbnail bool, next uint64, ok bool) {
	countSize, entrySize, offsetSize, valueAt := 2, uint64(12), 4, uint64(8)
	if t.big {
		countSize, entrySize, offsetSize, valueAt = 8, 20, 8, 12
	}
	count, ok := t.number(at, countSize)
	if !ok || count > 1<<16 {
		return false, 0, false
	}
	entry := at + uint64(countSize)
	for range count {
		tag, ok := t.number(entry, 2)
		if !ok {
			return false, 0, false
		}
		if tag == newSubfileType {
			value, _ := t.number(entry+valueAt, 4)
			thumbnail = value&1 != 0
		}
		entry += entrySize
	}
	next, ok = t.number(entry, offsetSize)
	return thumbnail, next, ok
}
