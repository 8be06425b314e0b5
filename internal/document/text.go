package document

import (
	"bytes"
	"strconv"
	"strings"
)

// facts are what the text of an object says that can matter: the text itself is
// not kept.
type facts struct {
	pages   int // the object that it calls the root of the pages, or -1
	counted int // the object that holds its count, or -1
	count   int // its count, if it is one of pages
	value   int // the number that it is, if it can be a count of pages
}

// nothing is what most texts say.
var nothing = facts{pages: -1, counted: -1}

// teller tells the facts of texts of one body, each of which begins and ends no
// earlier than the one before it. They may overlap: it reads next to nothing again.
type teller struct {
	pages, count, counted search

	values int // bytes that were read to tell numbers
}

func newTeller() *teller {
	return &teller{
		pages:   search{key: "/Pages", read: reference},
		count:   search{key: "/Count", read: integer},
		counted: search{key: "/Count", read: reference},
	}
}

// tell returns the facts of the text that begins at an offset of the body.
func (t *teller) tell(at int, text []byte) facts {
	said := nothing
	if number, ok := t.pages.in(at, text); ok {
		said.pages = number
	}
	if number, ok := t.counted.in(at, text); ok {
		said.counted = number
	}
	count, _ := t.count.in(at, text)
	value, rest, _ := integer(text)
	t.values += len(text) - len(rest)
	said.count, said.value = countable(count), countable(value)
	return said
}

// again is how many bytes it has read that it may read again.
func (t *teller) again() int { return t.values + t.pages.again + t.count.again + t.counted.again }

// countable is n if it can be a count of pages, or 0.
func countable(n int) int {
	if n > maxPages {
		return 0
	}
	return n
}

// search finds the first value that a key has in each of a teller's texts.
type search struct {
	key  string
	read func(text []byte) (value int, rest []byte, ok bool)

	from  int // where to look on: no value is between the last text's beginning and it
	found bool
	value int // at from, if it was found
	again int
}

// in returns the value in the text that begins at an offset of the body.
func (s *search) in(at int, text []byte) (int, bool) {
	if s.found && s.from >= at {
		return s.value, true
	}
	s.found, s.from = false, max(s.from, at)
	for {
		next := bytes.Index(text[s.from-at:], []byte(s.key))
		if next < 0 {
			s.from = max(s.from, at+len(text)-len(s.key)+1)
			return 0, false
		}
		s.from += next
		value, rest, ok := s.read(text[s.from-at+len(s.key):])
		if len(rest) == 0 { // in a longer text it may be another
			s.again += at + len(text) - s.from
			return value, ok
		}
		if ok {
			s.found, s.value = true, value
			return value, true
		}
		s.from += len(s.key)
	}
}

// integerAfter is the number that a key of a dictionary has, or -1.
func integerAfter(dictionary []byte, key string) int {
	if n, ok := (&search{key: key, read: integer}).in(0, dictionary); ok {
		return n
	}
	return -1
}

const space = "\x00\t\n\f\r "

// integer reads a number that is not negative, after white space.
func integer(text []byte) (n int, rest []byte, ok bool) {
	text = bytes.TrimLeft(text, space)
	end := 0
	for end < len(text) && end < maxDigits && isDigit(text[end]) {
		end++
	}
	n, err := strconv.Atoi(string(text[:end]))
	return n, text[end:], err == nil
}

// maxDigits is where a number ends.
const maxDigits = 10

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// reference reads "12 0 R".
func reference(text []byte) (number int, rest []byte, ok bool) {
	number, rest, ok = integer(text)
	if !ok {
		return 0, rest, false
	}
	if _, rest, ok = integer(rest); !ok {
		return 0, rest, false
	}
	rest = bytes.TrimLeft(rest, space)
	after, ok := bytes.CutPrefix(rest, []byte("R"))
	return number, after, ok
}

// behind is as much as an object's number takes of what has been read before its
// "obj": two numbers and what is between them, be it much white space or none.
type behind []byte

// then is what is behind after a text more.
func (b behind) then(text []byte) behind {
	var out [maxDigits + 1 + maxDigits]byte
	free := len(out)
	for _, part := range [][]byte{text, b} {
		for i := len(part) - 1; i >= 0 && free > 0; i-- {
			c := part[i]
			if strings.IndexByte(space, c) >= 0 {
				c = ' '
			} else if !isDigit(c) {
				return out[free:]
			}
			if c == ' ' && free < len(out) && out[free] == ' ' {
				continue
			}
			free--
			out[free] = c
		}
	}
	return out[free:]
}

// number reads "12 0" at the end.
func (b behind) number() (int, bool) {
	text := []byte(b)
	digits := func() (string, bool) {
		end := len(text)
		for len(text) > 0 && end-len(text) < maxDigits && isDigit(text[len(text)-1]) {
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
