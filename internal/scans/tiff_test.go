package scans

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image/color"
	"io"
	"os"
	"testing"

	decoder "golang.org/x/image/tiff"
)

func split(t *testing.T, data []byte) (pages [][]byte, err error) {
	t.Helper()
	err = tiffPages(data, func(page int, data io.Reader) error {
		if page != len(pages)+1 {
			t.Errorf("page %d after %d", page, len(pages))
		}
		single, err := io.ReadAll(data)
		pages = append(pages, single)
		return err
	})
	return pages, err
}

// Page n of the test's files has n bars on it, read here by another's decoder.
func TestTIFFPagesShowWhatTheyShowed(t *testing.T) {
	for _, name := range []string{"group4", "lzw", "raw"} {
		data, err := os.ReadFile("testdata/" + name + ".tif")
		if err != nil {
			t.Fatal(err)
		}
		pages, err := split(t, data)
		if err != nil || len(pages) != 3 {
			t.Fatalf("%s: %d pages, %v", name, len(pages), err)
		}
		for i, page := range pages {
			picture, err := decoder.Decode(bytes.NewReader(page))
			if err != nil {
				t.Errorf("%s, page %d: %v", name, i+1, err)
				continue
			}
			bars, ink := 0, false
			for x := range 48 {
				// That decoder shows the bilevel ones as negatives.
				bar := color.GrayModel.Convert(picture.At(x, 20)) != color.GrayModel.Convert(picture.At(0, 0))
				if bar && !ink {
					bars++
				}
				ink = bar
			}
			if bars != i+1 {
				t.Errorf("%s, page %d: %d bars", name, i+1, bars)
			}
		}
	}
}

// A page that is taken apart again stays as it is: all that a page needs is in it.
func TestTIFFPageIsWhole(t *testing.T) {
	for _, name := range []string{"jpeg", "big", "lzw"} {
		data, err := os.ReadFile("testdata/" + name + ".tif")
		if err != nil {
			t.Fatal(err)
		}
		pages, err := split(t, data)
		if err != nil {
			t.Fatal(err)
		}
		for i, page := range pages {
			again, err := split(t, page)
			if err != nil || len(again) != 1 || !bytes.Equal(again[0], page) {
				t.Errorf("%s, page %d: %d pages, %v", name, i+1, len(again), err)
			}
		}
	}
}

// handmade is a big-endian TIFF of two pages and a thumbnail, with fields added to
// the first.
func handmade(extra ...[4]uint32) []byte {
	order := binary.BigEndian
	out := append([]byte("MM\x00*"), 0, 0, 0, 12)
	out = append(out, 1, 2, 3, 4) // four strips of a byte
	for page := range 3 {
		fields := [][4]uint32{{254, 4, 1, 0}, {256, 4, 1, 1}, {273, 4, 1, uint32(8 + page)}, {279, 4, 1, 1}}
		if page == 1 {
			fields[0][3] = 1
		}
		if page == 0 {
			fields = append(fields, extra...)
		}
		out = order.AppendUint16(out, uint16(len(fields)))
		for _, f := range fields {
			out = order.AppendUint16(order.AppendUint16(out, uint16(f[0])), uint16(f[1]))
			out = order.AppendUint32(order.AppendUint32(out, f[2]), f[3])
		}
		next := uint32(len(out) + 4)
		if page == 2 {
			next = 0
		}
		out = order.AppendUint32(out, next)
	}
	return out
}

func TestTIFFPagesHandmade(t *testing.T) {
	pages, err := split(t, handmade())
	if err != nil || len(pages) != 2 || pages[0][8] != 1 || pages[1][8] != 3 {
		t.Fatalf("%d pages, %v: % x", len(pages), err, pages)
	}
	for name, c := range map[string]struct {
		extra [4]uint32
		want  string
	}{
		"JPEG of old": {[4]uint32{259, 3, 1, 6 << 16}, "page 1: compressed in the way of before 1995 (JPEG 6): save it anew"},
		"no end":      {[4]uint32{700, 1, 1 << 30, 8}, errBrokenTIFF.Error()},
		"far away":    {[4]uint32{700, 1, 20, 1 << 30}, errBrokenTIFF.Error()},
		"tiles":       {[4]uint32{324, 4, 1, 8}, "page 1: it does not say how long its picture is: save it anew"},
	} {
		if _, err := split(t, handmade(c.extra)); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	whole := handmade()
	for n := range whole {
		if _, err := split(t, whole[:n]); err == nil {
			t.Errorf("cut off after %d bytes: no error", n)
		}
	}
	circle := handmade()
	binary.BigEndian.PutUint32(circle[len(circle)-4:], 12)
	if _, err := split(t, circle); err == nil {
		t.Error("a circle: no error")
	}
	full := errors.New("full")
	if err := tiffPages(whole, func(int, io.Reader) error { return full }); !errors.Is(err, full) {
		t.Errorf("%v, want %v", err, full)
	}
}

func FuzzTIFFPages(f *testing.F) {
	for _, name := range []string{"group4", "lzw", "big", "jpeg"} {
		data, err := os.ReadFile("testdata/" + name + ".tif")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(handmade())
	f.Fuzz(func(t *testing.T, data []byte) {
		pages := 0
		_ = tiffPages(data, func(_ int, page io.Reader) error {
			if pages++; pages > 50 {
				return io.EOF
			}
			n, err := io.Copy(io.Discard, page)
			if n > int64(len(data))+1<<18+int64(len(data)) {
				t.Errorf("%d bytes of %d", n, len(data))
			}
			return err
		})
	})
}
