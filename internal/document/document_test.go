package document_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"slices"
	"strings"
	"testing"

	"omr-relay/internal/document"
	"omr-relay/internal/sandbox"
)

func encoded(t *testing.T, encode func(*bytes.Buffer, image.Image) error) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := encode(&out, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestIdentify(t *testing.T) {
	picture := encoded(t, func(w *bytes.Buffer, m image.Image) error { return jpeg.Encode(w, m, nil) })
	drawing := encoded(t, func(w *bytes.Buffer, m image.Image) error { return png.Encode(w, m) })
	animation := encoded(t, func(w *bytes.Buffer, m image.Image) error { return gif.Encode(w, m, nil) })
	for _, tt := range []struct {
		name string
		data []byte
		want document.Kind
	}{
		{"a photo", picture, document.JPEG},
		{"a drawing", drawing, document.PNG},
		{"an animation", animation, document.GIF},
		{"an old animation", []byte("GIF87a..."), document.GIF},
		{"little-endian TIFF", tiff(binary.LittleEndian, 1), document.TIFF},
		{"big-endian TIFF", tiff(binary.BigEndian, 1), document.TIFF},
		{"BigTIFF", []byte("MM\x00+\x00\x08\x00\x00"), document.TIFF},
		{"a bitmap", []byte("BM\x46\x00\x00\x00\x00\x00\x00\x00\x36"), document.BMP},
		{"a text that begins with BM", []byte("BMW is a car"), document.Unknown},
		{"a PDF", []byte("%PDF-1.7\n"), document.PDF},
		{"a PDF after a printer's prologue", append(bytes.Repeat([]byte("@"), 900), "%PDF-1.4"...), document.PDF},
		{"a text that speaks of PDF", append(bytes.Repeat([]byte("@"), 1100), "%PDF-1.4"...), document.Unknown},
		{"an iPhone's photo", []byte("\x00\x00\x00\x18ftypheic\x00\x00"), document.HEIC},
		{"another of its brands", []byte("\x00\x00\x00\x18ftypmif1\x00\x00"), document.HEIC},
		{"AVIF", []byte("\x00\x00\x00\x18ftypavif\x00\x00"), document.AVIF},
		{"a video", []byte("\x00\x00\x00\x18ftypisom\x00\x00"), document.Unknown},
		{"WebP", []byte("RIFF\x10\x00\x00\x00WEBPVP8 "), document.WebP},
		{"a sound", []byte("RIFF\x10\x00\x00\x00WAVEfmt "), document.Unknown},
		{"nothing", nil, document.Empty},
		{"a text", []byte("?text=Name"), document.Unknown},
		{"a photo taken for text", bytes.ToValidUTF8(append([]byte(nil), picture...), []byte("\ufffd")), document.Unknown},
		{"a photo taken for text byte by byte", []byte("\ufffd\ufffd\ufffd\ufffd\x00\x10JFIF"), document.Damaged},
		{"a drawing taken for text", []byte("\ufffdPNG\r\n\x1a\n"), document.Damaged},
	} {
		got := document.Identify(tt.data)
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		readable := slices.Contains([]string{"JPEG", "PNG", "GIF", "TIFF", "BMP", "PDF"}, string(got))
		if got.Readable() != readable {
			t.Errorf("%s readable: %t", got, got.Readable())
		}
	}
}

// tiff returns one of so many pages, each with a thumbnail.
func tiff(order binary.AppendByteOrder, pages int) []byte {
	out := []byte("II")
	if order.AppendUint16(nil, 1)[0] == 0 {
		out = []byte("MM")
	}
	out = order.AppendUint32(order.AppendUint16(out, 42), 8)
	for directory := range 2 * pages {
		out = order.AppendUint16(out, 1)
		out = order.AppendUint16(order.AppendUint16(out, 254), 4)
		out = order.AppendUint32(order.AppendUint32(out, 1), uint32(directory%2))
		next := uint32(len(out) + 4)
		if directory == 2*pages-1 {
			next = 0
		}
		out = order.AppendUint32(out, next)
	}
	return out
}

func TestTIFFPages(t *testing.T) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, pages := range []int{1, 2, 40} {
			data := tiff(order, pages)
			if got := document.Pages(data, document.TIFF); got != pages {
				t.Errorf("%v: %d pages, want %d", order, got, pages)
			}
			for cut := range data {
				if got := document.Pages(data[:cut], document.TIFF); got != 0 {
					t.Errorf("%v broken off after %d bytes: %d pages", order, cut, got)
				}
			}
		}
	}
	loop := tiff(binary.LittleEndian, 1)
	binary.LittleEndian.PutUint32(loop[len(loop)-4:], 8)
	if got := document.Pages(loop, document.TIFF); got != 0 {
		t.Errorf("a chain that never ends: %d pages", got)
	}
	big := []byte("II+\x00\x08\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00")
	big = append(big, make([]byte, 8+8)...) // no entries, no next
	if got := document.Pages(big, document.TIFF); got != 1 {
		t.Errorf("BigTIFF: %d pages, want 1", got)
	}
}

// pdf returns the objects between a header and a trailer.
func pdf(objects ...string) []byte {
	var out strings.Builder
	out.WriteString("%PDF-1.5\n%\xe2\xe3\xcf\xd3\n")
	for _, object := range objects {
		out.WriteString(object + "\nendobj\n")
	}
	out.WriteString("trailer << /Size 9 /Root 1 0 R >>\nstartxref\n0\n%%EOF\n")
	return []byte(out.String())
}

// packed is an object stream of the objects given by number.
func packed(objects map[int]string) string {
	var head, body strings.Builder
	for number, text := range objects {
		fmt.Fprintf(&head, "%d %d ", number, body.Len())
		body.WriteString(text + " ")
	}
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	w.Write([]byte(head.String() + body.String()))
	w.Close()
	return fmt.Sprintf("7 0 obj\n<< /Type /ObjStm /N %d /First %d /Filter /FlateDecode /Length %d >>\nstream\r\n%s\nendstream",
		len(objects), head.Len(), out.Len(), out.String())
}

// pdfs are files, and how many pages they have.
func pdfs() []pdfFile {
	const catalog = "1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>"
	tree := func(n int) string {
		return fmt.Sprintf("2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count %d>>", n)
	}
	photo := "4 0 obj\n<< /Length 900 >>\nstream\n" + strings.Repeat("\xff\xd8 9 0 obj /Count 7 ", 9) + "\nendstream"
	return []pdfFile{
		{"one", pdf(catalog, tree(1), photo), 1},
		{"three", pdf(catalog, tree(3), photo), 3},
		{"named before the catalog's type", pdf("1 0 obj <</Pages 2 0 R/PageMode/UseNone/Type/Catalog>>", tree(2)), 2},
		{"a count elsewhere", pdf(catalog, "2 0 obj <</Type/Pages/Count 5 0 R>>", "5 0 obj 4"), 4},
		{"a page taken away later", pdf(catalog, tree(2), tree(1)), 1},
		{"objects in a stream", pdf(packed(map[int]string{1: "<</Type/Catalog/Pages 2 0 R>>", 2: "<</Type/Pages/Count 6>>"})), 6},
		{"a damaged stream", pdf(strings.Replace(packed(map[int]string{1: "<<>>"}), "stream\r\nx", "stream\r\n!", 1)), 0},
		{"the pages' object in a later stream", pdf(catalog, tree(2), packed(map[int]string{2: "<</Type/Pages/Count 6>>"})), 6},
		{"a list of objects that runs out", pdf(catalog, strings.Replace(packed(map[int]string{2: "<</Type/Pages/Count 6>>"}), "/N 1", "/N 9", 1)), 6},
		{"a root that is spoken of", append(pdf(catalog, tree(2)), "% /Root of all"...), 2},
		{"no root", bytes.ReplaceAll(pdf(catalog, tree(1)), []byte("/Root"), []byte("/Boot")), 0},
		{"no catalog", pdf(tree(1)), 0},
		{"no tree", pdf(catalog), 0},
		{"no count", pdf(catalog, "2 0 obj <</Type/Pages>>"), 0},
		{"an absurd count", pdf(catalog, tree(1e9)), 0},
		{"a header alone", []byte("%PDF-1.7"), 0},
		{"nothing", nil, 0},
	}
}

type pdfFile struct {
	name string
	data []byte
	want int
}

func TestPDFPages(t *testing.T) {
	for _, tt := range pdfs() {
		if got := document.Pages(tt.data, document.PDF); got != tt.want {
			t.Errorf("%s: %d pages, want %d", tt.name, got, tt.want)
		}
	}
	if got := document.Pages([]byte("x"), document.JPEG); got != 1 {
		t.Errorf("a photo has %d pages", got)
	}
}

// A bomb is not unpacked.
func TestPDFBomb(t *testing.T) {
	bomb := packed(map[int]string{1: strings.Repeat(" ", 64<<20)})
	if got := document.Pages(pdf(bomb, bomb, bomb), document.PDF); got != 0 {
		t.Errorf("%d pages", got)
	}
}

func TestIsPattern(t *testing.T) {
	for _, tt := range []struct {
		name, data string
		want       bool
	}{
		{"the sample's", string(sandbox.SamplePattern()), true},
		{"after a byte order mark", "\ufeff" + `{"Name":null,"pages":[]}`, true},
		{"pages that are none", `{"Pages":3}`, false},
		{"no pages", `{"Name":"x"}`, false},
		{"a list", `[{"Pages":[]}]`, false},
		{"broken off", `{"Pages":[{"Width":1}`, false},
		{"broken within", `{"Pages":[{"Width":}]}`, false},
		{"markup", "?text=Name", false},
		{"a scan", string(sandbox.SampleForm()), false},
		{"nothing", "", false},
	} {
		if got := document.IsPattern([]byte(tt.data)); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
