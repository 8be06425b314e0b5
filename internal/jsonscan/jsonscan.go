// Package jsonscan finds the members of a JSON object in place. An event is
// nearly all body, and a body wants to be found and copied once, not parsed:
// encoding/json takes a hundred times as long over it as a copy does.
//
// The scanner tells where values begin and end. It does not check the inside
// of nested values; whoever uses one parses it.
//
//	jsonscan.go  where values begin and end; strings → text
//	array.go     the elements of an array
//	quote.go     text → strings
package jsonscan

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// The errors are constant: what could not be read is never quoted.
var (
	ErrSyntax    = errors.New("not well-formed JSON")
	ErrNotObject = errors.New("not a JSON object")
	ErrNotString = errors.New("not a JSON string")
)

// Object calls yield with the name and the raw value of each member of the
// object in data, in the order of the text. The value aliases data. An error
// of yield's ends the scan and is returned.
func Object(data []byte, yield func(name string, value []byte) error) error {
	i := space(data, 0)
	if i == len(data) || data[i] != '{' {
		return ErrNotObject
	}
	i = space(data, i+1)
	if i < len(data) && data[i] == '}' {
		return trailing(data, i+1)
	}
	for {
		end := stringEnd(data, i)
		if end < 0 {
			return ErrSyntax
		}
		name, err := unquoteName(data[i:end])
		if err != nil {
			return err
		}
		if i = space(data, end); i == len(data) || data[i] != ':' {
			return ErrSyntax
		}
		i = space(data, i+1)
		if end = valueEnd(data, i); end < 0 {
			return ErrSyntax
		}
		if err := yield(name, data[i:end]); err != nil {
			return err
		}
		if i = space(data, end); i == len(data) {
			return ErrSyntax
		}
		switch data[i] {
		case '}':
			return trailing(data, i+1)
		case ',':
			i = space(data, i+1)
		default:
			return ErrSyntax
		}
	}
}

// unquoteName is Unquote with one allocation for names without escapes, which is
// what names are.
func unquoteName(raw []byte) (string, error) {
	if inner, ok := Inner(raw); ok && bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), nil
	}
	name, err := Unquote(raw)
	return string(name), err
}

func trailing(data []byte, i int) error {
	if space(data, i) != len(data) {
		return ErrSyntax
	}
	return nil
}

func space(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\r' || data[i] == '\t') {
		i++
	}
	return i
}

// stringEnd returns the index after the string that begins at i, or -1.
func stringEnd(data []byte, i int) int {
	if i >= len(data) || data[i] != '"' {
		return -1
	}
	for at := i + 1; ; at++ {
		quote := bytes.IndexByte(data[at:], '"')
		if quote < 0 {
			return -1
		}
		at += quote
		// The quote ends the string unless an odd number of backslashes
		// stands before it.
		escapes := 0
		for data[at-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return at + 1
		}
	}
}

// valueEnd returns the index after the value that begins at i, or -1. It keeps
// a count and no stack: depth costs nothing.
func valueEnd(data []byte, i int) int {
	depth := 0
	for i < len(data) {
		switch data[i] {
		case '"':
			if i = stringEnd(data, i); i < 0 {
				return -1
			}
		case '{', '[':
			depth++
			i++
		case '}', ']':
			if depth--; depth < 0 {
				return -1
			}
			i++
		case ',', ':', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return -1
			}
			i++
			continue
		default:
			start := i
			for i < len(data) && literal(data[i]) {
				i++
			}
			if i == start {
				return -1
			}
		}
		if depth == 0 {
			return i
		}
	}
	return -1
}

// literal reports whether b can stand in a number, true, false or null.
func literal(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b == '-' || b == '+' || b == '.' || b == 'E'
}

// Unquote returns the text of a raw JSON string in bytes of its own.
func Unquote(raw []byte) ([]byte, error) {
	return AppendUnquoted(make([]byte, 0, len(raw)), raw)
}

// AppendUnquoted appends the text of a raw JSON string, which is never longer
// than raw. Halves of surrogate pairs become U+FFFD, as in encoding/json.
func AppendUnquoted(out, raw []byte) ([]byte, error) {
	inner, ok := Inner(raw)
	if !ok {
		return nil, ErrNotString
	}
	for len(inner) > 0 {
		// A window at a time: what was searched is still near when it is copied.
		plain := inner[:min(len(inner), window)]
		i := bytes.IndexByte(plain, '\\')
		if i < 0 {
			out, inner = append(out, plain...), inner[len(plain):]
			continue
		}
		out = append(out, plain[:i]...)
		var err error
		if out, inner, err = unescape(out, inner[i+1:]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

const window = 16 << 10

// Inner returns what stands between the quotes of a raw string, escapes and
// all. It aliases raw.
func Inner(raw []byte) ([]byte, bool) {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return nil, false
	}
	return raw[1 : len(raw)-1], true
}

var simple = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unescape appends the character whose escape begins, after its backslash, at
// in[0], and returns the rest.
func unescape(out, in []byte) (grown, rest []byte, err error) {
	if len(in) == 0 {
		return nil, nil, ErrSyntax
	}
	if c := simple[in[0]]; c != 0 {
		return append(out, c), in[1:], nil
	}
	r, ok := hex4(in)
	if !ok {
		return nil, nil, ErrSyntax
	}
	in = in[5:]
	if utf16.IsSurrogate(r) {
		low := rune(utf8.RuneError)
		if len(in) > 1 && in[0] == '\\' {
			low, _ = hex4(in[1:])
		}
		if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
			in = in[6:]
		}
	}
	return utf8.AppendRune(out, r), in, nil
}

// hex4 reads uXXXX.
func hex4(in []byte) (rune, bool) {
	if len(in) < 5 || in[0] != 'u' {
		return utf8.RuneError, false
	}
	n, err := strconv.ParseUint(string(in[1:5]), 16, 16)
	if err != nil {
		return utf8.RuneError, false
	}
	return rune(n), true
}
