package jsonscan

import (
	"encoding/binary"
	"math/bits"
)

// AppendQuoted appends text, which must be UTF-8, as a JSON string. It escapes
// only what JSON wants escaped (RFC 8259 §7).
func AppendQuoted(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := nextEscape(text, 0); i < len(text); i = nextEscape(text, i+1) {
		dst = append(dst, text[start:i]...)
		start = i + 1
		switch b := text[i]; b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&0xf])
		}
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}

// QuotedLen is the length of what AppendQuoted appends for text.
func QuotedLen(text []byte) int {
	n := len(text) + len(`""`)
	for len(text) > 0 {
		text = text[plain(text):]
		dirty := text[:min(len(text), block)]
		for _, b := range dirty {
			n += int(growth[b])
		}
		text = text[len(dirty):]
	}
	return n
}

// growth is how much longer a byte becomes by its escape.
var growth = [256]uint8{
	0x00: 5, 5, 5, 5, 5, 5, 5, 5, 5, '\t': 1, '\n': 1, 0x0b: 5, 5, '\r': 1, 0x0e: 5, 5,
	0x10: 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5,
	'"': 1, '\\': 1,
}

// nextEscape returns the index, from i on, of the first byte that a JSON string
// does not hold as it is, or the length of text. Where one was, the next is
// often near: whole blocks are worth trying only after some words without.
func nextEscape(text []byte, i int) int {
	for near := min(i+2*block, len(text)); i+8 <= near; i += 8 {
		if found := escaped(text[i:]); found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	i += plain(text[i:])
	for ; i+8 <= len(text); i += 8 {
		if found := escaped(text[i:]); found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(text) && growth[text[i]] == 0 {
		i++
	}
	return i
}

// block is how many bytes plain judges at once: four words, one branch. The whole
// call for an answer of 1 MB takes 0.58 of the CPU that it takes byte by byte, and
// 0.87 of what it takes by single words (internal/bench).
const block = 32

// plain returns how many bytes of text, in whole blocks, come before the first
// block that has something to escape.
func plain(text []byte) int {
	n := 0
	for ; len(text)-n >= block; n += block {
		b := text[n : n+block]
		if escaped(b)|escaped(b[8:])|escaped(b[16:])|escaped(b[24:]) != 0 {
			break
		}
	}
	return n
}

// escaped looks at the first eight bytes of b and sets the highest bit of the
// first that needs an escape; bytes after that one may be marked in error. In
// each byte of a word, w-c borrows into the highest bit where w is less than c.
// Flipping the bit of 2 puts the quote next to the control characters.
func escaped(b []byte) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	w := binary.LittleEndian.Uint64(b)
	control := (w ^ ones*2) - ones*0x21
	backslash := (w ^ ones*'\\') - ones
	return (control | backslash) &^ w & highs
}
