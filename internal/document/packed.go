package document

import (
	"bufio"
	"cmp"
	"compress/zlib"
	"io"
	"slices"
)

// maxInflated bounds what the compressed objects of a PDF may unpack to.
const maxInflated = 8 << 20

// maxHead bounds the list of the objects that an object stream begins with:
// programs put some hundreds into one.
const maxHead = maxObject

// maxAgain bounds what is read again of the texts of a stream's objects: some digits.
// White space that takes reading anew for each of them is no document.
const maxAgain = 1 << 20

// packed is an object of an object stream.
type packed struct {
	number, offset int
	facts          facts
}

// unpacker unpacks object streams (ISO 32000-1, 7.5.7) one after another.
type unpacker struct {
	left     int64 // of maxInflated
	inflater io.ReadCloser
	in       *bufio.Reader
	objects  []packed
}

// unpack returns the objects of a stream in their list's order, until the next
// call. Of a stream that is broken off, or unpacks to more than is left, it returns
// what its beginning tells. It reports whether it could be read at all: its list
// may be too long, or take too long.
func (u *unpacker) unpack(stream io.Reader, count, first int) (objects []packed, ok bool) {
	if !u.open(stream) {
		return nil, true
	}
	body := &io.LimitedReader{R: u.inflater, N: u.left}
	u.in.Reset(body)
	head, _ := u.in.Peek(max(0, min(first, maxHead)))
	ok = first <= maxHead || len(head) < maxHead
	if len(head) != first {
		count = 0
	}
	u.list(head, count)
	_, _ = u.in.Discard(len(head)) // cannot fail
	length, told := u.tell()
	u.left = body.N
	ok = ok && told
	// One that is said to lie behind the end ends the list.
	if end := slices.IndexFunc(u.objects, func(o packed) bool { return o.offset > length }); end >= 0 {
		return u.objects[:end], ok
	}
	return u.objects, ok
}

// open begins to inflate a stream, if it is of the kind.
func (u *unpacker) open(stream io.Reader) (ok bool) {
	if again, ok := u.inflater.(zlib.Resetter); ok {
		return again.Reset(stream, nil) == nil
	}
	inflater, err := zlib.NewReader(stream)
	if err != nil {
		return false
	}
	u.inflater, u.in = inflater, bufio.NewReaderSize(nil, 2*maxObject)
	return true
}

// list reads the numbers and the offsets of so many objects.
func (u *unpacker) list(head []byte, count int) {
	u.objects = u.objects[:0]
	for range count {
		number, rest, ok := integer(head)
		if !ok {
			return
		}
		offset, rest, ok := integer(rest)
		if !ok {
			return
		}
		u.objects = append(u.objects, packed{number: number, offset: offset, facts: nothing})
		head = rest
	}
}

// tell reads the objects, in whatever order they lie, and returns how many bytes
// they took. An object's text is whatever follows its offset: where it ends the
// list does not say.
func (u *unpacker) tell() (length int, ok bool) {
	byOffset := make([]*packed, len(u.objects))
	for i := range u.objects {
		byOffset[i] = &u.objects[i]
	}
	slices.SortFunc(byOffset, func(a, b *packed) int { return cmp.Compare(a.offset, b.offset) })
	teller := newTeller()
	for _, object := range byOffset {
		n, err := u.in.Discard(object.offset - length)
		length += n
		if err != nil {
			return length, true
		}
		text, _ := u.in.Peek(maxObject)
		object.facts = teller.tell(length, text)
		if teller.again() > maxAgain {
			return length, false
		}
	}
	rest, _ := io.Copy(io.Discard, u.in) // what cannot be inflated is not there
	return length + int(rest), true
}
