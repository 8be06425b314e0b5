// Package document tells by its content what kind of document a file is, and how
// many pages it has: names and declared types are what a phone or a form made
// them. It is asked before a call is paid for that the upstream would refuse.
//
// Each file uses those below it:
//
//	pages.go     how many pages a file has
//	tiff.go      the directories of a TIFF
//	pdf.go       the objects of a PDF, one after another
//	packed.go    those in its object streams
//	text.go      what their texts say
//	ahead.go     a file that is read once, and seen some way ahead
//	pattern.go   whether a file is a recognition pattern
//	document.go  which kind a file is
//
// Pages are counted and not split: pdfcpu v0.15.0, which could, would add 3.8 MB to
// the function's 10.1 MB and 20 ms to what its packages take to initialize, 2 ms
// today (linux/amd64, GODEBUG=inittrace=1). That is for a program on a desk.
//
// Files may be larger than memory: PDFPages and TIFFPages read them where they are.
//
// All functions are safe for concurrent use, read nothing beyond their argument
// and keep nothing of it.
package document

import (
	"bytes"
	"slices"
)

// Kind is a kind of file, named as people name it.
type Kind string

// The kinds that the upstream reads.
const (
	JPEG Kind = "JPEG"
	PNG  Kind = "PNG"
	GIF  Kind = "GIF"
	TIFF Kind = "TIFF"
	BMP  Kind = "BMP"
	PDF  Kind = "PDF"
)

// The kinds that it does not read.
const (
	Empty Kind = "empty"
	HEIC  Kind = "HEIC"
	AVIF  Kind = "AVIF"
	WebP  Kind = "WebP"
	// Damaged is a file whose bytes were taken for text on the way: every one
	// that is not UTF-8 has become U+FFFD.
	Damaged Kind = "damaged"
	Unknown Kind = "unknown"
)

// Readable reports whether the upstream reads files of the kind.
func (k Kind) Readable() bool {
	return slices.Contains([]Kind{JPEG, PNG, GIF, TIFF, BMP, PDF}, k)
}

// headSize is how much of a file's beginning tells its kind: in a PDF, so much
// may come before the header (ISO 32000-1, Annex H, note 13).
const headSize = 1024

// Identify tells what kind of file data is, or begins: 1 KB of it is enough.
func Identify(data []byte) Kind {
	if len(data) == 0 {
		return Empty
	}
	head := data[:min(len(data), headSize)]
	for _, s := range signatures {
		if bytes.HasPrefix(head, []byte(s.prefix)) && len(head) >= s.at+len(s.then) && string(head[s.at:s.at+len(s.then)]) == s.then {
			return s.kind
		}
	}
	if bytes.Contains(head, []byte("%PDF-")) {
		return PDF
	}
	if len(head) >= 12 && string(head[4:8]) == "ftyp" {
		return isoBrand(string(head[8:12]))
	}
	if bytes.Contains(head[:min(len(head), 64)], []byte("\ufffd\ufffd")) || bytes.HasPrefix(head, []byte("\ufffdPNG")) {
		return Damaged
	}
	return Unknown
}

// signatures are what files begin with, and what some have a little later.
var signatures = []struct {
	kind   Kind
	prefix string
	at     int
	then   string
}{
	{kind: JPEG, prefix: "\xff\xd8\xff"},
	{kind: PNG, prefix: "\x89PNG\r\n\x1a\n"},
	{kind: GIF, prefix: "GIF87a"},
	{kind: GIF, prefix: "GIF89a"},
	{kind: TIFF, prefix: "II*\x00"},
	{kind: TIFF, prefix: "MM\x00*"},
	{kind: TIFF, prefix: "II+\x00"}, // BigTIFF
	{kind: TIFF, prefix: "MM\x00+"},
	{kind: BMP, prefix: "BM", at: 6, then: "\x00\x00\x00\x00"}, // two fields that are reserved
	{kind: WebP, prefix: "RIFF", at: 8, then: "WEBP"},
}

// isoBrand is the kind of an image in the ISO base media file format.
func isoBrand(brand string) Kind {
	switch brand {
	case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1":
		return HEIC
	case "avif", "avis":
		return AVIF
	default:
		return Unknown
	}
}

// maxPages is where counting pages ends.
const maxPages = 10_000
