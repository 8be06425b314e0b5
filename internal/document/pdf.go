package document

import (
	"bytes"
	"fmt"
	"io"
)

// maxKept bounds the objects that are remembered.
const maxKept = 32 << 10

// PDFPages returns how many pages a PDF has, or 0 if that cannot be told. It is
// what the root of the page tree says (ISO 32000-1, 7.7.3.2).
//
// It reads r once, to its end unless it gives up, and takes half a megabyte of
// memory: 8 MB at most, for a file made to that end. It gives up, and returns 0 and
// not what it has seen by then, when a file would take more. An error is one of r.
func PDFPages(r io.Reader) (int, error) {
	s := scan{file: newFile(r), objects: map[int]facts{}, root: -1}
	s.unpacker.left = maxInflated
	for s.next() {
		if s.lost {
			return 0, nil
		}
	}
	if s.file.err != nil {
		return 0, fmt.Errorf("reading a PDF: %w", s.file.err)
	}
	pages := s.object(s.object(s.root).pages)
	if pages.counted >= 0 {
		return s.object(pages.counted).value, nil
	}
	return pages.count, nil
}

// scan reads a file from its beginning to its end and not by its table of
// objects, which scanners' software gets wrong more often than the objects.
type scan struct {
	file     *file
	behind   behind
	unpacker unpacker

	objects map[int]facts // by their number. What was written last counts, as in every reader
	root    int           // the object that the last trailer calls the root, or -1
	lost    bool          // there is more to the file than can be remembered
}

// object returns what is known of one.
func (s *scan) object(number int) facts {
	if known, ok := s.objects[number]; ok {
		return known
	}
	return nothing
}

// keep remembers what the text of an object says, instead of what another said.
func (s *scan) keep(number int, said facts) {
	if said == nothing {
		delete(s.objects, number)
		return
	}
	s.objects[number] = said
	s.lost = s.lost || len(s.objects) > maxKept
}

// next passes an object, or what is none, and reports whether there was anything.
func (s *scan) next() bool {
	seen, room := s.file.window()
	if room == 0 {
		return false
	}
	const begin = " obj"
	at := bytes.Index(seen[:min(room+len(begin)-1, len(seen))], []byte(begin))
	if at < 0 {
		s.pass(room)
		return true
	}
	number, ok := s.behind.then(seen[:at]).number()
	at += len(begin)
	if !ok {
		s.pass(at)
		return true
	}
	text, stream := objectText(seen[at:])
	s.keep(number, newTeller().tell(0, text))
	length, count, first := len(text), integerAfter(text, "/N"), integerAfter(text, "/First")
	compressed := stream >= 0 && bytes.Contains(text, []byte("/ObjStm"))
	s.pass(at + length) // and not the stream: where it ends is not known
	if compressed {
		s.unpack(stream-length, count, first)
	}
	return true
}

// unpack keeps the objects of an object stream that begins so far ahead.
func (s *scan) unpack(at, count, first int) {
	stream := &ahead{file: s.file, at: at}
	objects, ok := s.unpacker.unpack(stream, count, first)
	s.lost = s.lost || !ok || stream.far
	for _, object := range objects {
		s.keep(object.number, object.facts)
	}
}

// pass goes on by so many bytes, if there are as many, and has the roots among them.
func (s *scan) pass(n int) {
	const key = "/Root"
	for n > 0 {
		seen, room := s.file.window()
		part := min(n, room)
		if part == 0 {
			return
		}
		for at, end := 0, min(part+len(key)-1, len(seen)); ; {
			next := bytes.Index(seen[at:end], []byte(key))
			if next < 0 {
				break
			}
			at += next + len(key)
			number, rest, ok := reference(seen[at:])
			if ok {
				s.root = number
			}
			s.lost = s.lost || len(rest) == 0 && room < len(seen) // it goes on
		}
		s.behind = s.behind.then(seen[:part])
		s.file.pass(part)
		n -= part
	}
}

// objectText is an object's text as far as the stream, if it has one, and where
// that begins, or -1.
func objectText(seen []byte) (text []byte, stream int) {
	text = seen[:min(len(seen), maxObject)]
	if at := bytes.Index(text, []byte("endobj")); at >= 0 {
		text = text[:at]
	}
	const begin = "stream"
	at := bytes.Index(text, []byte(begin))
	if at < 0 {
		// The end of a stream that is longer than maxObject is not near.
		return text, -1
	}
	stream = at + len(begin)
	if bytes.HasPrefix(seen[stream:], []byte("\r")) {
		stream++
	}
	if bytes.HasPrefix(seen[stream:], []byte("\n")) {
		stream++
	}
	return text[:at], stream
}
