package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const eventsDir = "../../events"

func TestCommittedFixturesAreWhatIsGenerated(t *testing.T) {
	all, err := fixtures()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(eventsDir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	slices.Sort(files)
	if want := slices.Sorted(maps.Keys(all)); !slices.Equal(files, want) {
		t.Fatalf("events holds %q, want %q", files, want)
	}
	for name, event := range all {
		t.Run(name, func(t *testing.T) {
			generated, err := format(event)
			if err != nil {
				t.Fatal(err)
			}
			committed := readFixture(t, name)
			if !reflect.DeepEqual(meaning(t, committed), meaning(t, generated)) {
				t.Error("the committed file says something else: run go generate ./internal/eventgen")
			}
			var indented bytes.Buffer
			if err := json.Indent(&indented, committed, "", "  "); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(indented.Bytes(), committed) {
				t.Error("the committed file is not indented by two spaces")
			}
		})
	}
}

// Another version of Go may compress a PNG differently, so what it shows counts.
func TestCommittedSampleIsWhatIsGenerated(t *testing.T) {
	for name, want := range sample() {
		got := readFixture(t, filepath.Join("sample", name))
		if bytes.Equal(got, want) {
			continue
		}
		committed, err := png.Decode(bytes.NewReader(got))
		if err != nil {
			t.Errorf("%s says something else: run go generate ./internal/eventgen", name)
			continue
		}
		generated, err := png.Decode(bytes.NewReader(want))
		if err != nil || !reflect.DeepEqual(committed, generated) {
			t.Errorf("%s shows something else: run go generate ./internal/eventgen", name)
		}
	}
}

func TestWriteAllWritesEveryFixture(t *testing.T) {
	dir := t.TempDir()
	if err := writeAll(dir); err != nil {
		t.Fatal(err)
	}
	all, err := fixtures()
	if err != nil {
		t.Fatal(err)
	}
	for name, event := range all {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want, err := format(event)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what a second run gives", name)
		}
	}
	if err := writeAll(filepath.Join(dir, "missing")); err == nil {
		t.Error("writing into a missing folder succeeded")
	}
}

// The form of the committed event is read as the pattern beside it says.
func TestFormShowsTheAnswersWhereThePatternSaysTheyAre(t *testing.T) {
	var event struct{ Body string }
	unmarshal(t, readFixture(t, "recognize.json"), &event)
	var sent task
	unmarshal(t, []byte(event.Body), &sent)
	var read pattern
	unmarshal(t, sent.OmrFile, &read)

	form, blank := decodePNG(t, sent.Images[0]), decodePNG(t, read.Pages[0].ImageData)
	if size := image.Rect(0, 0, read.Pages[0].Width, read.Pages[0].Height); form.Bounds() != size || blank.Bounds() != size {
		t.Fatalf("form %v and blank %v, want %v", form.Bounds(), blank.Bounds(), size)
	}
	if len(sent.Images) != 1 || len(sent.Images[0]) > 16<<10 {
		t.Errorf("%d images, the first of %d bytes, want one small one", len(sent.Images), len(sent.Images[0]))
	}
	var got, onBlank strings.Builder
	for _, q := range read.Pages[0].Elements {
		for _, b := range q.Bubbles {
			at := image.Rect(b.Left, b.Top, b.Left+q.BubbleWidth, b.Top+q.BubbleHeight)
			if filled(form, at) {
				got.WriteString(b.Value)
			}
			if filled(blank, at) {
				onBlank.WriteString(b.Value)
			}
		}
	}
	if got.String() != answers || onBlank.Len() != 0 {
		t.Errorf("marked %q on the form and %q on the blank, want %q and none", got.String(), onBlank.String(), answers)
	}
}

// filled tells whether more than half of box is black.
func filled(page image.Image, box image.Rectangle) bool {
	black := 0
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			if r, _, _, _ := page.At(x, y).RGBA(); r == 0 {
				black++
			}
		}
	}
	return black*2 > box.Dx()*box.Dy()
}

// meaning decodes JSON, and what is JSON or a PNG inside its strings, base64
// or not: two Go versions may compress the same picture differently.
func meaning(t *testing.T, text []byte) any {
	t.Helper()
	var value any
	unmarshal(t, text, &value)
	return settle(t, value)
}

func settle(t *testing.T, value any) any {
	t.Helper()
	switch value := value.(type) {
	case map[string]any:
		for key := range value {
			value[key] = settle(t, value[key])
		}
	case []any:
		for i := range value {
			value[i] = settle(t, value[i])
		}
	case string:
		content, encoding := []byte(value), "text"
		if decoded, err := base64.StdEncoding.DecodeString(value); err == nil {
			content, encoding = decoded, "base64"
		}
		switch {
		case bytes.HasPrefix(content, []byte("\x89PNG")):
			return fmt.Sprintf("PNG of %x", pixels(t, decodePNG(t, content)))
		case bytes.HasPrefix(content, []byte("{")):
			return map[string]any{encoding: meaning(t, content)}
		}
	}
	return value
}

// pixels is a digest of what a picture of few colours shows.
func pixels(t *testing.T, picture image.Image) [sha256.Size]byte {
	t.Helper()
	page, ok := picture.(*image.Paletted)
	if !ok {
		t.Fatalf("the PNG is a %T, want one bit a pixel", picture)
	}
	return sha256.Sum256(fmt.Append(page.Pix, page.Rect, page.Palette))
}

func decodePNG(t *testing.T, file []byte) image.Image {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

func readFixture(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(eventsDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func unmarshal(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}
