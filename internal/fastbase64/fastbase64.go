// Package fastbase64 decodes megabytes of base64 (RFC 4648 §4) in less time than
// encoding/base64, with the same results. Binary bodies come so: the whole call
// with a file of 3.3 MB takes 0.83 of the CPU, and 0.85 of the time, that it takes
// with the library (internal/bench).
package fastbase64

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"sync"
)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// pairTable has the twelve bits of each two characters of the alphabet, and the
// mark set; for any other two bytes it has zero. Little of its 128 KB is ever
// touched: 64 times the range of the alphabet.
type pairTable [1 << 16]uint16

const mark = 1 << 15

// pairs builds the table when it is first asked for: most environments never
// see base64.
var pairs = sync.OnceValue(func() *pairTable {
	t := new(pairTable)
	for high := range alphabet {
		for low := range alphabet {
			t[binary.LittleEndian.Uint16([]byte{alphabet[high], alphabet[low]})] = uint16(mark | high<<6 | low)
		}
	}
	return t
})

// Decode is [base64.Encoding.Decode] of [base64.StdEncoding]: what it takes,
// what it refuses, and with which error. dst needs as much room as there, and
// what lies in dst beyond the result is undefined.
func Decode(dst, src []byte) (int, error) {
	t, n, i := pairs(), 0, 0
	for i <= len(src)-8 && n <= len(dst)-8 {
		in := src[i : i+8]
		a, b := t[binary.LittleEndian.Uint16(in)], t[binary.LittleEndian.Uint16(in[2:])]
		c, d := t[binary.LittleEndian.Uint16(in[4:])], t[binary.LittleEndian.Uint16(in[6:])]
		if a&b&c&d == 0 {
			break
		}
		// 48 bits at the top. The marks of b, c and d lie within, and are taken off.
		word := uint64(a)<<52 ^ uint64(b)<<40 ^ uint64(c)<<28 ^ uint64(d)<<16 ^ (mark<<40 | mark<<28 | mark<<16)
		binary.BigEndian.PutUint64(dst[n:n+8], word)
		i, n = i+8, n+6
	}
	// The end, and whatever is not plain: padding, line breaks, faults.
	rest, err := base64.StdEncoding.Decode(dst[n:], src[i:])
	if at, ok := errors.AsType[base64.CorruptInputError](err); ok {
		err = at + base64.CorruptInputError(i)
	}
	return n + rest, err
}
