package document_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"omr-relay/internal/document"
)

// readers are the ways in which a file may come.
var readers = map[string]func(io.Reader) io.Reader{
	"at once":          func(r io.Reader) io.Reader { return r },
	"byte by byte":     iotest.OneByteReader,
	"by halves":        iotest.HalfReader,
	"with its end":     iotest.DataErrReader,
	"some at a time":   func(r io.Reader) io.Reader { return pieces{r} },
	"not a ByteReader": func(r io.Reader) io.Reader { return io.MultiReader(r) },
}

// pieces are such as a connection delivers.
type pieces struct{ io.Reader }

func (p pieces) Read(b []byte) (int, error) { return p.Reader.Read(b[:min(len(b), 1460)]) }

// agree checks that a file has as many pages as it had when it was held in memory,
// however it comes.
func agree(t *testing.T, name string, data []byte) {
	t.Helper()
	want := pdfPagesInMemory(data)
	for how, reader := range readers {
		if len(data) > 1<<20 && how == "byte by byte" {
			continue
		}
		if got, err := document.PDFPages(reader(bytes.NewReader(data))); got != want || err != nil {
			t.Errorf("%s, a PDF read %s: %d pages, %v; want %d", name, how, got, err, want)
		}
	}
	want = tiffPagesInMemory(data)
	if got, err := document.TIFFPages(bytes.NewReader(data), int64(len(data)), 0); got != want || err != nil {
		t.Errorf("%s, a TIFF: %d pages, %v; want %d", name, got, err, want)
	}
}

func TestStreamsHaveTheSamePages(t *testing.T) {
	for _, file := range pdfs() {
		agree(t, file.name, file.data)
		// At every place in a window, and across its end.
		for _, before := range []int{1000, 64<<10 - 100, 128<<10 - 70, 256<<10 - 70, 256 << 10} {
			agree(t, fmt.Sprint(file.name, " after ", before), append(bytes.Repeat([]byte("\xff\xd8 "), before/3), file.data...))
		}
	}
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		data := tiff(order, 3)
		for end := range len(data) + 1 {
			agree(t, fmt.Sprintf("%v as far as %d", order, end), data[:end])
		}
	}
	samples, _ := filepath.Glob("../scans/testdata/*.*")
	if len(samples) == 0 {
		t.Error("no samples")
	}
	for _, path := range samples {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		agree(t, path, data)
	}
}

// What is at the end of a window, or of a text, is read as it is anywhere.
func TestPagesAtTheEndOfWhatIsSeen(t *testing.T) {
	const window, text = 256 << 10, 64 << 10
	const end = window - text - 16
	const objects, root = "\n1 0 obj <</Pages 2 0 R>> endobj 2 0 obj <</Count 4>> endobj ", "/Root 1 0 R /Root /"
	for before := end - len(objects+root); before < end+4; before++ {
		gap, rest := strings.Repeat("x", before), strings.Repeat("x", window)
		for _, data := range []string{gap + objects + root + rest, objects + gap + root + rest} {
			if got, err := document.PDFPages(strings.NewReader(data)); got != 4 || err != nil {
				t.Errorf("after %d bytes: %d pages, %v", before, got, err)
			}
		}
	}
	for cut := range 16 {
		body := strings.Repeat("x", text-cut) + "/Count 4 0 R /Pages 2 0 R /Count 17"
		for _, numbers := range []string{"2 0 3 %d", "3 0 2 %d", "2 %d 3 0"} {
			list := fmt.Sprintf(numbers, 1+cut/2)
			data := pdf("1 0 obj <</Pages 2 0 R>>", "4 0 obj 3", objectStream(list+" ", body, 2))
			agree(t, fmt.Sprint(list, " cut at ", cut), data)
		}
	}
}

// Files of words that matter in any order, with gaps as wide as what can be seen.
func TestAnyWordsHaveTheSamePages(t *testing.T) {
	words := strings.Split("1 0 obj|2 0 obj|3 0 obj|endobj|stream\n|/Pages|/Count|/Root|/Root 1 0 R|/Pages 2 0 R|/Count 3 0 R|/Count 4|1|2|3|0|R|2 0 R|12345678901| |\n|x", "|")
	random := rand.New(rand.NewPCG(1, 2))
	some := func(words []string, n int) string {
		var out strings.Builder
		for range n {
			out.WriteString(words[random.IntN(len(words))] + " ")
			if random.IntN(40) == 0 {
				out.WriteString(strings.Repeat(words[len(words)-1-random.IntN(3)], 64<<10-random.IntN(40)))
			}
		}
		return out.String()
	}
	for i := range 1_000 {
		var data strings.Builder
		for range 1 + random.IntN(4) {
			data.WriteString(some(words, random.IntN(20)))
			if random.IntN(3) > 0 {
				var list strings.Builder
				body, n := some(words, 30), random.IntN(6)
				for range n {
					fmt.Fprintf(&list, "%d %d ", 1+random.IntN(3), random.IntN(len(body)+len(body)/20))
				}
				data.WriteString(objectStream(list.String(), body, n) + " endobj ")
			}
		}
		data.WriteString("/Root 1 0 R")
		want := pdfPagesInMemory([]byte(data.String()))
		if got, err := document.PDFPages(iotest.HalfReader(strings.NewReader(data.String()))); got != want || err != nil {
			t.Fatalf("%d: %d pages, %v; want %d", i, got, err, want)
		}
	}
}

func FuzzPages(f *testing.F) {
	f.Add(tiff(binary.BigEndian, 2))
	f.Add(bigTIFF(binary.LittleEndian, 2, 2))
	f.Add(pdf("1 0 obj <</Pages 2 0 R>>", packed(map[int]string{2: "<</Count 6>>"})))
	for _, file := range pdfs() {
		f.Add(file.data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		agree(t, "this", data)
		for _, kind := range []document.Kind{document.TIFF, document.PDF} {
			if got := document.Pages(data, kind); got < 0 || got > 10_000 {
				t.Errorf("%s: %d pages", kind, got)
			}
		}
		if got, err := document.TIFFPages(bytes.NewReader(data), int64(len(data)), 2); got < 0 || got > 2 || err != nil {
			t.Errorf("%d pages of 2 at most, %v", got, err)
		}
		document.Identify(data)
		document.IsPattern(data)
	})
}

// scan is a PDF of so many bytes of pictures, made as it is read.
func scan(pictures int64) io.Reader {
	var parts []io.Reader
	add := func(text string) { parts = append(parts, strings.NewReader(text)) }
	add("%PDF-1.5\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Count 9>>\nendobj\n")
	const size = 1 << 20
	for i := range pictures / size {
		add(fmt.Sprintf("%d 0 obj\n<</Subtype/Image/Length %d>>\nstream\n", 10+i, size))
		parts = append(parts, io.LimitReader(rand.NewChaCha8([32]byte{byte(i)}), size))
		add("\nendstream\nendobj\n" + packed(map[int]string{3: "<</Type/Page>>", 4: "<</Type/Page>>"}) + "\nendobj\n")
	}
	add(packed(map[int]string{2: "<</Type/Pages/Count 40>>"}) + "\nendobj\ntrailer <</Root 1 0 R>>\n%%EOF\n")
	return io.MultiReader(parts...)
}

// A file is not held.
func TestPDFPagesInBoundedMemory(t *testing.T) {
	r := scan(40 << 20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	pages, err := document.PDFPages(r)
	runtime.ReadMemStats(&after)
	if pages != 40 || err != nil {
		t.Errorf("%d pages, %v", pages, err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("took %d bytes of memory in all", took)
	}
}

func objectStream(list, body string, count int) string {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	io.WriteString(w, list+body)
	w.Close()
	return fmt.Sprintf("7 0 obj <</Type/ObjStm/N %d/First %d>> stream\n%s\nendstream", count, len(list), out.String())
}

// What takes more memory than there is for it has no count, and not a wrong one.
func TestPDFPagesGivesUp(t *testing.T) {
	const catalog, tree = "1 0 obj <</Pages 2 0 R>>", "2 0 obj <</Count 2>>"
	var many, list strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&many, "%d 0 obj 7 endobj\n", 10+i)
		fmt.Fprintf(&list, "%d %d ", 10+i, i)
	}
	short := list.String()[:strings.Index(list.String(), " 5000 ")-4]
	noise := make([]byte, 3<<20)
	rand.NewChaCha8([32]byte{}).Read(noise)
	for _, tt := range []struct {
		name string
		data []byte
		want int
	}{
		{"nothing unusual", pdf(catalog, tree), 2},
		{"many objects that may be counts", pdf(catalog, tree, many.String()), 0},
		{"many objects that are none", pdf(catalog, tree, strings.ReplaceAll(many.String(), " 7 ", " (7) ")), 2},
		{"a long list of objects", pdf(catalog, tree, objectStream(list.String(), strings.Repeat("7 ", 40_000), 40_000)), 0},
		{"a long object stream", pdf(catalog, tree, objectStream("3 0 ", string(noise), 1)), 0},
		{"a root after much white space", []byte("/Root 1 0 R " + catalog + "endobj " + tree + "/Root" + strings.Repeat(" ", 70<<10) + "2 0 R" + strings.Repeat(" ", 70<<10)), 0},
		{"texts of white space that is read anew for each", pdf(catalog, tree, objectStream(short, strings.Repeat(" ", 200<<10), 5_000)), 0},
		{"the same before a number", pdf(catalog, tree, objectStream(short, strings.Repeat("()", 5_000)+"/Count"+strings.Repeat(" ", 200<<10), 5_000)), 0},
		{"texts that are long", pdf(catalog, tree, objectStream(short, strings.Repeat("()", 200<<10), 5_000)), 2},
	} {
		if got, err := document.PDFPages(bytes.NewReader(tt.data)); got != tt.want || err != nil {
			t.Errorf("%s: %d pages, %v; want %d", tt.name, got, err, tt.want)
		}
	}
}

// Whether it gives up does not depend on how the file comes.
func TestPDFPagesGivesUpAlike(t *testing.T) {
	noise := make([]byte, 2<<20)
	rand.NewChaCha8([32]byte{}).Read(noise)
	for size, want := range map[int]int{2<<20 - 1<<10: 2, 2 << 20: 0} {
		long := objectStream("3 0 ", string(noise[:size]), 1)
		// The second comes when more is seen at a time.
		data := pdf("1 0 obj <</Pages 2 0 R>>", "2 0 obj <</Count 2>>", strings.Repeat("x", 150<<10), long, strings.Repeat("x", 150<<10), long)
		for how, reader := range readers {
			if how == "byte by byte" {
				continue
			}
			if got, err := document.PDFPages(reader(bytes.NewReader(data))); got != want || err != nil {
				t.Errorf("%d bytes read %s: %d pages, %v; want %d", size, how, got, err, want)
			}
		}
	}
}

var errReset = errors.New("connection reset")

// An error is the reader's, wherever it comes: not a file that is broken.
func TestPDFPagesOfAReaderThatFails(t *testing.T) {
	data := pdf("1 0 obj <</Pages 2 0 R>>", "2 0 obj <</Count 1>>", packed(map[int]string{2: "<</Count 6>>"}), strings.Repeat("\xff\xd8 ", 100<<10))
	noise := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{}).Read(noise)
	data = append(data, objectStream("5 0 ", string(noise), 1)...)
	for _, at := range []int{0, 1, 40, bytes.Index(data, []byte("stream\r\n")) + 12, 300 << 10, 900 << 10, len(data)} {
		// It would go on after its error.
		r := io.MultiReader(bytes.NewReader(data[:at]), &fails{}, bytes.NewReader(data[at:]))
		if got, err := document.PDFPages(r); got != 0 || !errors.Is(err, errReset) || err.Error() != "reading a PDF: connection reset" {
			t.Errorf("after %d bytes: %d pages, %v", at, got, err)
		}
	}
}

// fails does so once.
type fails struct{ failed bool }

func (f *fails) Read([]byte) (int, error) {
	if f.failed {
		return 0, io.EOF
	}
	f.failed = true
	return 0, errReset
}
