package document

import (
	"bytes"
	"compress/zlib"
	"io"
	"strconv"
)

// maxInflated bounds what the compressed objects of a PDF may unpack to.
const maxInflated = 8 << 20

// pdfPages is what the root of the page tree says (ISO 32000-1, 7.7.3.2).
func pdfPages(data []byte) int {
	objects := pdfObjects(data)
	at := bytes.LastIndex(data, []byte("/Root"))
	if at < 0 {
		return 0
	}
	root, ok := reference(data[at+len("/Root"):])
	if !ok {
		return 0
	}
	pages, ok := objects.refer(objects[root], "/Pages")
	if !ok {
		return 0
	}
	count := integerAfter(objects[pages], "/Count")
	if number, ok := objects.refer(objects[pages], "/Count"); ok {
		count, _, _ = integer(objects[number])
	}
	if count < 0 || count > maxPages {
		return 0
	}
	return count
}

// objects are the objects of a PDF by their number: their text as far as the
// stream, if they have one. What was written last counts, as in every reader.
type objects map[int][]byte

// pdfObjects reads a file from its beginning to its end and not by its table of
// objects, which scanners' software gets wrong more often than the objects.
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

// maxObject is more than a dictionary takes that tells of pages.
const maxObject = 64 << 10

// objectText parts an object's text from its stream.
func objectText(data []byte) (text, stream []byte) {
	near := data[:min(len(data), maxObject)]
	end := len(near)
	if at := bytes.Index(near, []byte("endobj")); at >= 0 {
		end = at
	}
	at := bytes.Index(near[:end], []byte("stream"))
	if at < 0 {
		// The end of a stream that is longer than maxObject is not near.
		return near[:end], nil
	}
	stream = bytes.TrimPrefix(bytes.TrimPrefix(data[at+len("stream"):], []byte("\r")), []byte("\n"))
	return near[:at], stream
}

// unpack adds the objects of an object stream (ISO 32000-1, 7.5.7), limit bytes
// at most, and returns how many bytes they took.
func (o objects) unpack(text, stream []byte, limit int64) int64 {
	r, err := zlib.NewReader(bytes.NewReader(stream))
	if err != nil {
		return 0
	}
	inflated, _ := io.ReadAll(io.LimitReader(r, limit)) // broken off, its beginning still tells
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

// refer returns the number of the object that the key of a dictionary refers to.
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

// reference reads "12 0 R".
func reference(text []byte) (int, bool) {
	number, rest, ok := integer(text)
	if !ok {
		return 0, false
	}
	_, rest, ok = integer(rest)
	return number, ok && bytes.HasPrefix(bytes.TrimLeft(rest, space), []byte("R"))
}

const space = "\x00\t\n\f\r "

// integer reads a number that is not negative, after white space.
func integer(text []byte) (n int, rest []byte, ok bool) {
	text = bytes.TrimLeft(text, space)
	end := 0
	for end < len(text) && end < 10 && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(string(text[:end]))
	return n, text[end:], err == nil
}

// integerAfter is the number that a key of a dictionary has, or -1.
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

// numberBefore reads "12 0" at the end of text.
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
