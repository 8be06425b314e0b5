package document_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"strconv"
)

// Here is how pages were counted while files were held in memory, as it was but for
// one thing: the last /Root counts that can be read, and not the last of all. It is
// what counting them in a stream is held to.

const maxInflated = 8 << 20

func pdfPagesInMemory(data []byte) int {
	objects := pdfObjects(data)
	root, ok, before := 0, false, data
	for !ok {
		at := bytes.LastIndex(before, []byte("/Root"))
		if at < 0 {
			return 0
		}
		root, ok = reference(data[at+len("/Root"):])
		before = data[:at]
	}
	pages, ok := objects.refer(objects[root], "/Pages")
	if !ok {
		return 0
	}
	count := integerAfter(objects[pages], "/Count")
	if number, ok := objects.refer(objects[pages], "/Count"); ok {
		count, _, _ = integer(objects[number])
	}
	if count < 0 || count > 10_000 {
		return 0
	}
	return count
}

type objects map[int][]byte

func pdfObjects(data []byte) objects {
	found, budget := objects{}, int64(maxInflated)
	for i := 0; ; {
		at := bytes.Index(data[i:], []byte(" obj"))
		if at < 0 {
			return found
		}
		at += i
		i = at + len(" obj")
		number, ok := numberBefore(data[:at])
		if !ok {
			continue
		}
		text, stream := objectText(data[i:])
		found[number] = text
		if stream != nil && bytes.Contains(text, []byte("/ObjStm")) {
			budget -= found.unpack(text, stream, budget)
		}
		i += len(text)
	}
}

const maxObject = 64 << 10

func objectText(data []byte) (text, stream []byte) {
	near := data[:min(len(data), maxObject)]
	end := len(near)
	if at := bytes.Index(near, []byte("endobj")); at >= 0 {
		end = at
	}
	at := bytes.Index(near[:end], []byte("stream"))
	if at < 0 {
		return near[:end], nil
	}
	stream = bytes.TrimPrefix(bytes.TrimPrefix(data[at+len("stream"):], []byte("\r")), []byte("\n"))
	return near[:at], stream
}

func (o objects) unpack(text, stream []byte, limit int64) int64 {
	r, err := zlib.NewReader(bytes.NewReader(stream))
	if err != nil {
		return 0
	}
	inflated, _ := io.ReadAll(io.LimitReader(r, limit))
	count, first := integerAfter(text, "/N"), integerAfter(text, "/First")
	if first < 0 || first > len(inflated) {
		return int64(len(inflated))
	}
	head, body := inflated[:first], inflated[first:]
	for range count {
		number, rest, ok := integer(head)
		if !ok {
			break
		}
		offset, rest, ok := integer(rest)
		if !ok || offset > len(body) {
			break
		}
		o[number] = body[offset:min(len(body), offset+maxObject)]
		head = rest
	}
	return int64(len(inflated))
}

func (o objects) refer(dictionary []byte, key string) (int, bool) {
	for rest := dictionary; ; {
		at := bytes.Index(rest, []byte(key))
		if at < 0 {
			return 0, false
		}
		rest = rest[at+len(key):]
		if number, ok := reference(rest); ok {
			return number, true
		}
	}
}

func reference(text []byte) (int, bool) {
	number, rest, ok := integer(text)
	if !ok {
		return 0, false
	}
	_, rest, ok = integer(rest)
	return number, ok && bytes.HasPrefix(bytes.TrimLeft(rest, space), []byte("R"))
}

const space = "\x00\t\n\f\r "

func integer(text []byte) (n int, rest []byte, ok bool) {
	text = bytes.TrimLeft(text, space)
	end := 0
	for end < len(text) && end < 10 && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(string(text[:end]))
	return n, text[end:], err == nil
}

func integerAfter(dictionary []byte, key string) int {
	for rest := dictionary; ; {
		at := bytes.Index(rest, []byte(key))
		if at < 0 {
			return -1
		}
		rest = rest[at+len(key):]
		if n, _, ok := integer(rest); ok {
			return n
		}
	}
}

func numberBefore(text []byte) (int, bool) {
	digits := func() (string, bool) {
		end := len(text)
		for len(text) > 0 && end-len(text) < 10 && text[len(text)-1] >= '0' && text[len(text)-1] <= '9' {
			text = text[:len(text)-1]
		}
		return string(text[len(text):end]), len(text) < end
	}
	if _, ok := digits(); !ok {
		return 0, false
	}
	text = bytes.TrimRight(text, space)
	number, ok := digits()
	n, err := strconv.Atoi(number)
	return n, ok && err == nil
}

func tiffPagesInMemory(data []byte) int {
	t, next, ok := openTIFF(data)
	if !ok {
		return 0
	}
	pages := 0
	for range 10_000 {
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
	return 0
}

type tiffInMemory struct {
	data  []byte
	order binary.ByteOrder
	big   bool
}

func openTIFF(data []byte) (t tiffInMemory, first uint64, ok bool) {
	if len(data) < 8 {
		return tiffInMemory{}, 0, false
	}
	t = tiffInMemory{data: data, order: binary.LittleEndian, big: data[2] == '+' || data[3] == '+'}
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

func (t tiffInMemory) number(at uint64, size int) (uint64, bool) {
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

const newSubfileType = 254

func (t tiffInMemory) directory(at uint64) (thumbnail bool, next uint64, ok bool) {
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
