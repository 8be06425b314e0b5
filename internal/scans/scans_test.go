package scans_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"

	"omr-relay/internal/scans"
)

var limits = scans.Limits{Sheet: 1 << 20, Taker: "a call", File: 1 << 20, Pages: 10, Count: 100}

// drawing is a PNG that is unlike every other of another number.
func drawing(t *testing.T, number int) string {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, image.NewGray(image.Rect(0, 0, 8, 8+number))); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// tree writes files by their names and returns the folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, data := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func find(t *testing.T, limits scans.Limits, names ...string) *scans.Set {
	t.Helper()
	set, err := scans.Find(names, limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	})
	return set
}

func names(set *scans.Set) string {
	var all []string
	for _, s := range set.Sheets {
		all = append(all, s.Name)
	}
	return strings.Join(all, " ")
}

// Folders are walked in the order that people give names in; what is no scan is
// left where it is.
func TestFindOrdersAndNames(t *testing.T) {
	page := func(i int) string { return drawing(t, i) }
	root := tree(t, map[string]string{
		"scan10.png": page(10), "scan2.png": page(2), "scan02.png": page(3), "b/a1.png": page(4),
		"Thumbs.db": "x", "form.omr": `{"Pages":[]}`, "answers.csv": "image,status\n", ".hidden.png": page(5), ".git/c.png": page(6), "noname": page(7),
	})
	set := find(t, limits, root)
	if got, want := names(set), "b/a1.png noname scan02.png scan2.png scan10.png"; got != want || len(set.Faults) != 0 || set.Skipped != 3 {
		t.Errorf("%s, want %s; faults %v, %d skipped", got, want, set.Faults, set.Skipped)
	}
	set = find(t, limits, filepath.Join(root, "scan10.png"), root, filepath.Join(root, "b", "a1.png"))
	if got, want := names(set), "scan10.png b/a1.png noname scan02.png scan2.png"; got != want {
		t.Errorf("named before its folder: %s, want %s", got, want)
	}
	other := tree(t, map[string]string{"scan2.png": page(2)})
	set = find(t, limits, root, other)
	if got := names(set); !strings.Contains(got, filepath.ToSlash(filepath.Join(other, "scan2.png"))) || strings.Contains(got, " scan10.png") {
		t.Errorf("two of one name: %s", got)
	}
	if same := set.Same(); fmt.Sprint(same) != "[-1 -1 -1 -1 -1 3]" {
		t.Errorf("same content: %v of %s", same, names(set))
	}
	set, err := scans.Find([]string{root}, limits, filepath.Join(root, "noname"))
	if err != nil || strings.Contains(names(set), "noname") {
		t.Errorf("left out: %v, %s", err, names(set))
	}
}

// Each page is a document of its own, which does not depend on when it was taken
// out of the file.
func TestFindSplitsPages(t *testing.T) {
	for _, name := range []string{"bilevel.pdf", "grey.pdf", "group4.tif", "lzw.tif", "raw.tif", "jpeg.tif", "big.tif"} {
		first, again := find(t, limits, "testdata/"+name), find(t, limits, "testdata/"+name)
		if got, want := names(first), strings.ReplaceAll("N#1 N#2 N#3", "N", name); got != want || len(first.Faults) != 0 {
			t.Errorf("%s, want %s; %v", got, want, first.Faults)
			continue
		}
		seen := map[string]bool{}
		for i, s := range first.Sheets {
			if s.Content != again.Sheets[i].Content || seen[s.Content] {
				t.Errorf("%s: its content is told by %s, then by %s", s.Name, s.Content, again.Sheets[i].Content)
			}
			seen[s.Content] = true
			data := contents(t, s)
			if int64(len(data)) != s.Size {
				t.Errorf("%s: %d bytes, said to be %d", s.Name, len(data), s.Size)
			}
			// A page goes on being one page.
			alone := find(t, limits, filepath.Join(tree(t, map[string]string{"page": string(data)}), "page"))
			if names(alone) != "page" {
				t.Errorf("%s: by itself %s, %v", s.Name, names(alone), alone.Faults)
			}
		}
	}
	if got := names(find(t, limits, "testdata/one.pdf")); got != "one.pdf" {
		t.Errorf("one page: %s", got)
	}
}

// A page is known again in another file, wherever it stands there, and twins in one
// file are seen.
func TestFindKnowsPagesByWhatIsOnThem(t *testing.T) {
	class, err := os.ReadFile("testdata/grey.pdf")
	if err != nil {
		t.Fatal(err)
	}
	var late bytes.Buffer
	if err := api.Collect(bytes.NewReader(class), &late, []string{"3", "1", "2", "1"}, model.NewDefaultConfiguration()); err != nil {
		t.Fatal(err)
	}
	root := tree(t, map[string]string{"a.pdf": string(class), "b.pdf": late.String()})
	set := find(t, limits, root)
	if names(set) != "a.pdf#1 a.pdf#2 a.pdf#3 b.pdf#1 b.pdf#2 b.pdf#3 b.pdf#4" || fmt.Sprint(set.Same()) != "[-1 -1 -1 2 0 1 0]" {
		t.Errorf("%s: %v, %v", names(set), set.Same(), set.Faults)
	}
}

func contents(t *testing.T, s scans.Sheet) []byte {
	t.Helper()
	opened, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	data, err := io.ReadAll(opened)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Nothing of the pages is left behind.
func TestCloseRemovesPages(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	set, err := scans.Find([]string{"testdata/grey.pdf"}, limits)
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(temporary); len(left) != 1 {
		t.Errorf("%d folders", len(left))
	} else if info, err := left[0].Info(); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if err := set.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(temporary); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestFindNamesEveryFault(t *testing.T) {
	photo, err := os.ReadFile("testdata/jpeg.tif")
	if err != nil {
		t.Fatal(err)
	}
	whole := drawing(t, 1)
	root := tree(t, map[string]string{
		"01-empty.jpg":   "",
		"02-phone.heic":  "\x00\x00\x00\x18ftypheic\x00\x00",
		"03-web.bin":     "RIFF\x10\x00\x00\x00WEBPVP8 ",
		"04-cut.png":     whole[:len(whole)-20],
		"05-spoilt.png":  whole[:8] + "garbage that is no chunk of a picture",
		"06-text.pdf":    "this is a text",
		"07-cut.tif":     string(photo[:len(photo)-600]),
		"08-cut.pdf":     "%PDF-1.4\n1 0 obj\n<<",
		"09-cut.bmp":     "BM\xff\xff\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00",
		"10-cut.jpg":     "\xff\xd8\xff\xe0\x00\x10JFIF\x00",
		"11-large.png":   whole + strings.Repeat("\x00", 3000),
		"12-damaged.jpg": "\ufffd\ufffd\ufffd\ufffd\x00\x10JFIF",
		"fine.png":       drawing(t, 2),
		"notes.txt":      "",
	})
	small := limits
	small.Sheet = 3000
	set := find(t, small, root, filepath.Join(root, "missing.png"))
	for i, want := range []string{
		"01-empty.jpg: empty",
		"02-phone.heic: HEIC, which Aspose does not read: convert it to JPEG",
		"03-web.bin: WebP, which",
		"04-cut.png: broken off: the picture's end is missing",
		"05-spoilt.png: damaged: it begins as a PNG",
		"06-text.pdf: not a scan",
		"07-cut.tif: broken off",
		"08-cut.pdf: a PDF that cannot be taken apart",
		"09-cut.bmp: broken off",
		"10-cut.jpg: damaged: it begins as a JPEG",
		"11-large.png: 0.00 MB, and a call takes 0.00 MB: scan it at a lower resolution",
		"12-damaged.jpg: damaged: something on its way",
		filepath.Join(root, "missing.png") + ": no such file or directory",
	} {
		if i >= len(set.Faults) || !strings.HasPrefix(set.Faults[i].Error(), want) {
			t.Fatalf("fault %d is not %q; all: %q", i, want, set.Faults)
		}
	}
	if names(set) != "fine.png" || len(set.Faults) != 13 || set.Skipped != 1 {
		t.Errorf("%s, %d faults, %d skipped", names(set), len(set.Faults), set.Skipped)
	}
	named := find(t, limits, filepath.Join(root, "notes.txt"))
	if len(named.Faults) != 1 || named.Faults[0].Reason != "empty" {
		t.Errorf("a text that was named: %v", named.Faults)
	}
	none := find(t, limits, tree(t, map[string]string{"notes.txt": "x"}))
	if len(none.Faults) != 1 || !strings.Contains(none.Faults[0].Reason, "no scans there") {
		t.Errorf("a folder without scans: %v", none.Faults)
	}
}

func TestFindKeepsLimits(t *testing.T) {
	for name, c := range map[string]struct {
		limits scans.Limits
		path   string
		want   string
	}{
		"pages of a PDF":  {scans.Limits{Sheet: 1 << 20, File: 1 << 20, Pages: 2, Count: 9}, "testdata/grey.pdf", "grey.pdf: 3 pages; this takes 2 in a file"},
		"pages of a TIFF": {scans.Limits{Sheet: 1 << 20, File: 1 << 20, Pages: 2, Count: 9}, "testdata/lzw.tif", "lzw.tif: 3 pages; this takes 2 in a file"},
		"bytes to split":  {scans.Limits{Sheet: 1 << 20, File: 999, Pages: 9, Count: 9}, "testdata/grey.pdf", "grey.pdf: a PDF of more than 0.00 MB"},
		"sheets":          {scans.Limits{Sheet: 1 << 20, File: 1 << 20, Pages: 9, Count: 2}, "testdata/grey.pdf", "testdata/grey.pdf: 3 sheets; this takes 2 at a time"},
	} {
		set := find(t, c.limits, c.path)
		if len(set.Faults) != 1 || set.Faults[0].Error() != c.want {
			t.Errorf("%s: %q, want %q", name, set.Faults, c.want)
		}
	}
}

// Pages that cannot be kept are this machine's fault, not the scan's.
func TestFindTellsAFullDisk(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "missing"))
	if set, err := scans.Find([]string{"testdata/grey.pdf"}, limits); err == nil || !strings.Contains(err.Error(), "keeping a page: ") {
		t.Errorf("%v, %v", set, err)
	}
}
