package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"omr-relay/internal/sandbox"
)

// remote is a relay somewhere else: its health, its key and a stand-in behind it
// that counts the submissions of each document.
type remote struct {
	*sandbox.Aspose
	url string

	mu        sync.Mutex // guards what follows
	calls     int
	submitted map[string]int
}

const remoteKey = "0123456789abcdefghij"

func newRemote(t *testing.T) *remote {
	t.Helper()
	r := &remote{Aspose: &sandbox.Aspose{Valid: func(key string) bool { return key == remoteKey }}, submitted: map[string]int{}}
	r.SetNotReady(0)
	r.Respond(r.countSubmission)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.calls++
		r.mu.Unlock()
		switch {
		case req.Header.Get("Authorization") != "Bearer "+remoteKey:
			w.WriteHeader(http.StatusForbidden)
		case req.URL.Path == "/healthz":
			_, _ = w.Write([]byte(`{"status":"ok"}`))
		default:
			r.ServeHTTP(w, req)
		}
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *remote) countSubmission(_ http.ResponseWriter, req *http.Request) bool {
	var task struct{ Images [][]byte }
	_ = json.NewDecoder(req.Body).Decode(&task)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, image := range task.Images {
		r.submitted[string(image)]++
	}
	return false
}

// counts tells how many documents were submitted how often.
func (r *remote) counts() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	times := map[int]int{}
	for _, n := range r.submitted {
		times[n]++
	}
	return strings.TrimPrefix(fmt.Sprint(times), "map")
}

// with is an environment of these settings.
func with(settings map[string]string) func(string) string {
	return func(name string) string { return settings[name] }
}

func (r *remote) env() func(string) string {
	return with(map[string]string{"OMR_RELAY_URL": r.url, "OMR_RELAY_KEY": remoteKey})
}

const patternFile = "../../events/sample/form.omr"

// scansFolder has so many different scans in it.
func scansFolder(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		var out bytes.Buffer
		if err := png.Encode(&out, image.NewGray(image.Rect(0, 0, 8, 1+i))); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, fmt.Sprintf("scan%d.png", i+1)), out.String())
	}
	return dir
}

func writeFile(t *testing.T, path, data string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func recognized(t *testing.T, env func(string) string, args ...string) output {
	t.Helper()
	return runWith(t.Context(), strings.NewReader(""), env, append([]string{"recognize", "--pattern", patternFile, "--jobs", "32"}, args...)...)
}

// rows reads a table.
func rows(t *testing.T, text string) [][]string {
	t.Helper()
	all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The README's line prints a table, and its answers say that they are samples.
func TestRecognizeSample(t *testing.T) {
	got := recognized(t, unset, "../../events/sample", "--sample")
	want := "image,status,NOTE,Question1,Question2,Question3\r\n" +
		"answer-sheet.png,Ok,SAMPLE made by a stand-in; nothing was recognized.,A,C,B\r\n"
	if got.status != exitOK || got.stdout != want || strings.Contains(got.stderr, "\x1b") {
		t.Errorf("%+v", got)
	}
	for _, line := range []string{
		"the stand-in Aspose.OMR; set OMR_SECRET_ID and OMR_BASE_URL to use the real thing\n", // of no bucket
		"1/1 answer-sheet.png: Ok\n", "1 of 1 have answers: samples of a stand-in; nothing was recognized\n",
	} {
		if !strings.Contains(got.stderr, line) {
			t.Errorf("%q is not in %s", line, got.stderr)
		}
	}
}

// The documents show what the command prints.
func TestRecognizeIsDocumented(t *testing.T) {
	got := runWith(t.Context(), strings.NewReader(""), unset, "recognize", "../../events/sample", "--pattern", patternFile, "--sample")
	shown := "\n```sh\ngo run ./cmd/local recognize events/sample --pattern events/sample/form.omr --sample\n```\n"
	printed := "\n```text\n" + strings.ReplaceAll(got.stdout, "\r\n", "\n") + "```\n"
	for _, page := range []string{"README.md", "docs/command.md"} {
		text := readFile(t, "../../"+page)
		if !strings.Contains(text, shown) || !strings.Contains(text, printed) {
			t.Errorf("%s does not show the command and\n%s", page, printed)
		}
	}
}

// Nobody takes invented marks for answers: the stand-ins are asked for by name.
func TestRecognizeRefusesStandIns(t *testing.T) {
	for message, settings := range map[string]map[string]string{
		"nothing is configured that could recognize": nil,
		"OMR_SECRET_ID is set, and OMR_BASE_URL is":  {"OMR_SECRET_ID": "s"},
		"OMR_BASE_URL is set, and OMR_SECRET_ID is":  {"OMR_BASE_URL": "https://upstream.test"},
	} {
		got := recognized(t, with(settings), "../../events/sample")
		if got.status != exitUsage || got.stdout != "" || !strings.HasPrefix(got.stderr, "local: "+message) || !strings.Contains(got.stderr, "--sample") {
			t.Errorf("%+v, want %s", got, message)
		}
	}
}

func TestRecognizeJudgesItsCommandLine(t *testing.T) {
	for message, args := range map[string][]string{
		"recognize takes FILEs or FOLDERs":              {"--sample"},
		"--format must be csv, json or xml":             {"a", "--sample", "--format", "pdf"},
		"--threshold must be between 0 and 100":         {"a", "--sample", "--threshold", "101"},
		"--jobs must be between 1 and 64":               {"a", "--sample", "--jobs", "0"},
		"--sample and --url exclude one another":        {"a", "--sample", "--url", "https://relay.test"},
		"--url: not an absolute URL":                    {"a", "--url", "relay"},
		"--url: not https; http is for loopback hosts ": {"a", "--url", "http://relay.test"},
		"--key has characters that no key has":          {"a", "--url", "https://relay.test", "--key", "a\nb"},
		"--pattern is missing":                          {"a", "--sample", "--pattern", ""},
	} {
		if got := recognized(t, unset, args...); got.status != exitUsage || !strings.HasPrefix(got.stderr, "local: "+message) {
			t.Errorf("%q: %+v, want %s", args, got, message)
		}
	}
}

// Everything that is wrong is said at once, and nothing is sent or left behind.
func TestRecognizeTellsAllThatIsWrongBeforeItSends(t *testing.T) {
	r := newRemote(t)
	dir := scansFolder(t, 2)
	writeFile(t, filepath.Join(dir, "spoilt.jpg"), "\xff\xd8\xff")
	writeFile(t, filepath.Join(dir, "photo.heic"), "\x00\x00\x00\x18ftypheic\x00\x00")
	writeFile(t, filepath.Join(dir, "form.txt"), "?text=Name")
	empty := t.TempDir()
	out := filepath.Join(empty, "answers.csv")
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"spoilt files, no pattern, no such folder": {
			[]string{dir, "-o", filepath.Join(empty, "missing", "a.csv"), "--pattern", filepath.Join(dir, "form.txt")},
			[]string{"nothing was sent:\n", "form.txt: no recognition pattern", "a.csv: no such file or directory", "photo.heic: HEIC", "spoilt.jpg: damaged", "--skip-unreadable"},
		},
		"a scan as pattern":       {[]string{dir, "--pattern", filepath.Join(dir, "scan1.png")}, []string{"scan1.png: a scan, and no recognition pattern"}},
		"no pattern there":        {[]string{dir, "--pattern", filepath.Join(dir, "missing.omr")}, []string{"reading the pattern: open "}},
		"a folder without scans":  {[]string{empty, "-o", out}, []string{empty + ": no scans there"}},
		"a workbook":              {[]string{dir, "-o", filepath.Join(empty, "answers.xlsx")}, []string{"answers.xlsx ends in neither .csv, .json nor .xml: choose with --format"}},
		"no such file":            {[]string{filepath.Join(dir, "missing.png")}, []string{"missing.png: no such file or directory"}},
		"an output that is none":  {[]string{dir, "-o", "/dev/full"}, []string{"writing /dev/full: there is something else than a file"}},
		"an output that is taken": {[]string{dir, "-o", empty}, []string{"writing " + empty + ": there is something else than a file"}},
	} {
		got := recognized(t, r.env(), c.args...)
		if got.status != exitUsage || got.stdout != "" || r.calls != 0 {
			t.Errorf("%s: %+v after %d calls", name, got, r.calls)
		}
		for _, want := range c.want {
			if !strings.Contains(got.stderr, want) {
				t.Errorf("%s: %q is not in %s", name, want, got.stderr)
			}
		}
		if left, _ := os.ReadDir(empty); len(left) != 0 {
			t.Errorf("%s: left behind %v", name, left)
		}
	}
}

// The table appears beside its journal; the same command again pays for nothing,
// and for a new scan once.
func TestRecognizeWritesAndRemembers(t *testing.T) {
	r := newRemote(t)
	dir, out := scansFolder(t, 3), filepath.Join(t.TempDir(), "answers.csv")
	for _, earlier := range []string{"", ", 3 of them from the journal"} {
		got := recognized(t, r.env(), dir, "-o", out)
		if got.status != exitOK || got.stdout != "" || !strings.HasSuffix(got.stderr, "3 of 3 have answers"+earlier+"\nwritten: "+out+"\n") || r.counts() != "[1:3]" {
			t.Errorf("%+v, submitted %s", got, r.counts())
		}
		table := rows(t, readFile(t, out))
		if len(table) != 4 || table[2][0] != "scan2.png" || table[2][1] != "Ok" {
			t.Errorf("%q", table)
		}
	}
	if info, err := os.Stat(strings.TrimSuffix(out, ".csv") + ".journal"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the journal: %v %v", info, err)
	}
	writeFile(t, filepath.Join(dir, "scan0.png"), readFile(t, "../../events/sample/answer-sheet.png"))
	if got := recognized(t, r.env(), dir, "-o", out); got.status != exitOK || r.counts() != "[1:4]" {
		t.Errorf("a new scan: %+v, submitted %s", got, r.counts())
	}
	// Another threshold asks something else of the same scans.
	if got := recognized(t, r.env(), dir, "-o", out, "--threshold", "50"); got.status != exitOK || r.counts() != "[2:4]" {
		t.Errorf("a threshold: %+v, submitted %s", got, r.counts())
	}
	for name, want := range map[string]string{"a.json": `"status":"Ok"`, "a.xml": `status="Ok"`} {
		path := filepath.Join(filepath.Dir(out), name)
		if got := recognized(t, r.env(), dir, "-o", path); got.status != exitOK || strings.Count(readFile(t, path), want) != 4 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Sheets that a person must look at are in the summary and in a table of their
// own, each with why; none is lost to the others.
func TestRecognizeListsExceptions(t *testing.T) {
	r := newRemote(t)
	dir, out := scansFolder(t, 4), filepath.Join(t.TempDir(), "answers.csv")
	writeFile(t, filepath.Join(dir, "scan9.png"), readFile(t, filepath.Join(dir, "scan1.png")))
	writeFile(t, filepath.Join(dir, "spoilt.jpg"), "\xff\xd8\xff")
	r.SetOutcomes(sandbox.Outcome{}, sandbox.Outcome{Status: "Error", Messages: []string{"=too dark"}}, sandbox.Outcome{Status: "NoAnyResultData"})
	got := recognized(t, r.env(), dir, "-o", out, "--jobs", "1", "--skip-unreadable")
	if got.status != exitFailed || r.counts() != "[1:4]" {
		t.Errorf("%+v, submitted %s", got, r.counts())
	}
	beside := strings.TrimSuffix(out, ".csv") + ".exceptions.csv"
	want := [][]string{
		{"image", "status", "reason"},
		{"scan2.png", "Error", "Aspose could not recognize it: =too dark"},
		{"scan3.png", "NoAnyResultData", "nothing found on it: does the pattern belong to it, and are all its corner markers to be seen?"},
		{"scan9.png", "duplicate", "the same content as scan1.png; submitted once"},
		{"spoilt.jpg", "unreadable", "damaged: it begins as a JPEG and does not go on as one"},
	}
	if exceptions := rows(t, readFile(t, beside)); fmt.Sprint(exceptions) != fmt.Sprint(want) {
		t.Errorf("%q", exceptions)
	}
	for _, row := range want[1:] {
		if !strings.Contains(got.stderr, "  "+row[0]+": "+row[2]+"\n") {
			t.Errorf("%q is not in the summary:\n%s", row, got.stderr)
		}
	}
	if table := rows(t, readFile(t, out)); len(table) != 7 || table[5][0] != "scan9.png" || table[5][3] != "A" || table[6][1] != "unreadable" || table[2][1] != "Error" {
		t.Errorf("%q", table)
	}
	// Once all is well, there is no list.
	for _, name := range []string{"spoilt.jpg", "scan9.png"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if got := recognized(t, r.env(), dir, "-o", out, "--resubmit"); got.status != exitOK || r.counts() != "[1:2 2:2]" {
		t.Errorf("%+v, submitted %s", got, r.counts())
	}
	if _, err := os.Stat(beside); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the list is still there: %v", err)
	}
}

// A wrong key or URL costs one call, and no submission.
func TestRecognizeFailsOnce(t *testing.T) {
	r := newRemote(t)
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	defer elsewhere.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	dir := scansFolder(t, 40)
	for url, want := range map[string]string{
		r.url:              "local: the relay answers 403: ",
		elsewhere.URL:      "local: " + elsewhere.URL + " answers 404, and not as a relay does",
		gone.URL:           "local: " + gone.URL + " cannot be reached: connection refused",
		r.url + "/another": "local: the relay answers 403: ",
	} {
		before := r.calls
		got := recognized(t, unset, dir, "--url", url, "--key", "a-wrong-key-0123456789")
		if got.status != exitFailed || !strings.HasPrefix(got.stderr, want) || r.calls-before > 1 || len(r.submitted) != 0 {
			t.Errorf("%s: %+v after %d calls", url, got, r.calls-before)
		}
		if strings.Contains(got.stderr, "a-wrong-key") {
			t.Errorf("the key is shown: %s", got.stderr)
		}
	}
}

// The relay itself, with a key, in between.
func TestRecognizeThroughTheRelay(t *testing.T) {
	fn, err := assemble(t.Context(), console{stdin: nil, stdout: io.Discard, stderr: &lockedWriter{w: io.Discard}, getenv: unset})
	if err != nil {
		t.Fatal(err)
	}
	defer fn.close()
	base, stop := serveOn(t, &gateway{door: admission{keys: apiKeys{firstKey}}, respond: fn.respond, problem: fn.tell.problem})
	got := recognized(t, unset, "../../internal/scans/testdata/bilevel.pdf", "../../internal/scans/testdata/lzw.tif", "--url", base, "--key", firstKey)
	if table := rows(t, got.stdout); got.status != exitOK || len(table) != 7 || table[3][0] != "bilevel.pdf#3" || table[4][0] != "lzw.tif#1" {
		t.Errorf("%+v", got)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// A sheet of 2 s takes no longer for what the command does besides.
func TestRecognizeIsAsFastAsItsJobs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 5 s")
	}
	r := newRemote(t)
	r.SetReadyAfter(2 * time.Second)
	dir := scansFolder(t, 40)
	began := time.Now()
	if got := recognized(t, r.env(), dir, "--jobs", "20"); got.status != exitOK {
		t.Errorf("%+v", got)
	}
	if took := time.Since(began); took > 5200*time.Millisecond {
		t.Errorf("%v for 40 sheets of 2 s, 20 at a time", took)
	} else {
		t.Log(took)
	}
}

// The largest scan that is sent is one that the relay takes, its pattern with it;
// one byte more is said before anything is sent.
func TestRecognizeKnowsWhatACallTakes(t *testing.T) {
	fn, err := assemble(t.Context(), console{stdin: nil, stdout: io.Discard, stderr: &lockedWriter{w: io.Discard}, getenv: unset})
	if err != nil {
		t.Fatal(err)
	}
	defer fn.close()
	largest := 0
	base, stop := serveOn(t, &gateway{
		door: admission{keys: apiKeys{firstKey}}, problem: fn.tell.problem,
		respond: func(ctx context.Context, event []byte, open opener) ([]byte, error) {
			if describeEvent(event) == "REST API: POST /uploads" {
				return []byte(`{"statusCode":404}`), nil // there is no bucket
			}
			largest = max(largest, len(event))
			return fn.respond(ctx, event, open)
		},
	})
	var out bytes.Buffer
	picture := image.NewGray(image.Rect(0, 0, 2150, 2150))
	if err := (&png.Encoder{CompressionLevel: png.NoCompression}).Encode(&out, picture); err != nil {
		t.Fatal(err)
	}
	fits := deployedBytes - len(readFile(t, patternFile))
	if out.Len() > fits || fits-out.Len() > 100_000 {
		t.Fatalf("a picture of %d bytes, for %d", out.Len(), fits)
	}
	padding := make([]byte, fits-out.Len()) // which readers of PNG pass over
	scan := filepath.Join(t.TempDir(), "scan.png")
	writeFile(t, scan, out.String()[:out.Len()-12]+pngChunk(padding)+out.String()[out.Len()-12:])
	if got := recognized(t, unset, scan, "--url", base, "--key", firstKey); got.status != exitOK {
		t.Errorf("what fits: %+v", got)
	}
	if largest > 6<<20 {
		t.Errorf("an event of %d bytes", largest)
	}
	t.Logf("an event of %d bytes, of %d", largest, 6<<20)
	file, err := os.OpenFile(scan, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.Write(make([]byte, 10_000))
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	got := recognized(t, unset, scan, "--url", base, "--key", firstKey)
	if got.status != exitUsage || !strings.Contains(got.stderr, "scan.png: 4.72 MB, and a call with this pattern takes 4.71 MB: scan it at a lower resolution") {
		t.Errorf("what does not: %+v", got)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// pngChunk is one that nobody has to read, as long as data.
func pngChunk(data []byte) string {
	data = data[:len(data)-12]
	body := append([]byte("teSt"), data...)
	number := func(n uint32) string { return string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) }
	return number(uint32(len(data))) + string(body) + number(crc32.ChecksumIEEE(body))
}
