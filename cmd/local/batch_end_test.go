package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/journal"
	"omr-relay/internal/recognition"
	"omr-relay/internal/sandbox"
	"omr-relay/internal/scans"
)

// A batch that failed says why in words, whatever Step Functions' name for it; the same
// command starts another, of the uploads that are there.
func TestBatchFails(t *testing.T) {
	for failure, want := range map[string]string{
		"CredentialsRejected": "failed: Aspose takes no longer the credentials in the secret (docs/deploying.md",
		"TooManySheets":       "failed: it has more sheets, a page each, than the template's MaxSheets allows; once that is mended, the same command starts another, which pays for nothing that was recognized",
		"PatternMissing":      "failed: the pattern was not there",
		"NoScans":             "failed: none of its scans was there",
		"BadInput":            "failed: the relay and its batches do not fit together",
		"Unavailable":         "failed: S3, the token service or Aspose could not be used for a while",
		"States.Timeout":      "failed: it took more than two days",
		"Lambda.\x1bUnknown":  `failed: its steps failed ("Lambda.\x1bUnknown"; the log of the stack's BatchFunction says more)`,
	} {
		r := newBatchRelayOf(t, 2)
		r.slept = func(n int) {
			if n == 1 {
				r.mu.Lock()
				r.batches[0].failure = failure
				r.mu.Unlock()
			}
		}
		dir, out := scansFolder(t, 2), filepath.Join(t.TempDir(), "answers.csv")
		got := r.run(t.Context(), dir, "-o", out)
		if got.status != exitFailed || !strings.Contains(got.stderr, "local: the batch 00000000000000000000000000000001 "+want) {
			t.Errorf("%s: %+v", failure, got)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s: there is a table", failure)
		}
		if got := r.run(t.Context(), dir, "-o", out); got.status != exitOK || len(r.batches) != 2 || r.uploadsTaken() != 2 {
			t.Errorf("%s, again: %+v, %d uploads", failure, got, r.uploadsTaken())
		}
	}
}

// One that somebody stopped, or erased, is told of; one that is erased while nobody looks
// is begun anew.
func TestBatchIsStoppedOrErased(t *testing.T) {
	for status, want := range map[string]string{
		batchStopped: "was stopped; the same command starts another",
		"erasing":    "was erased\n",
		"paused":     "has ended, and nobody knows how (paused)\n",
	} {
		r := newBatchRelayOf(t, 9)
		r.slept = func(int) {
			r.mu.Lock()
			r.batches[0].status = status
			r.mu.Unlock()
		}
		got := r.run(t.Context(), scansFolder(t, 1))
		if got.status != exitFailed || !strings.Contains(got.stderr, "local: the batch 00000000000000000000000000000001 "+want) {
			t.Errorf("%s: %+v", status, got)
		}
	}
	r := newBatchRelayOf(t, 2)
	dir, out := scansFolder(t, 1), filepath.Join(t.TempDir(), "answers.csv")
	gone := func(id string) func(w http.ResponseWriter, req *http.Request, _ int) bool {
		return func(w http.ResponseWriter, req *http.Request, _ int) bool {
			if strings.HasSuffix(req.URL.Path, id) {
				refuseWith(w, http.StatusNotFound, "batch_not_found", 0)
				return true
			}
			return false
		}
	}
	// Once it was started, its questions fail for good; then it is erased.
	r.answer = func(w http.ResponseWriter, req *http.Request, _ int) bool {
		if strings.HasSuffix(req.URL.Path, "01") {
			w.WriteHeader(http.StatusBadGateway)
			return true
		}
		return false
	}
	got := r.run(t.Context(), dir, "-o", out)
	if got.status != exitFailed || !strings.Contains(got.stderr, "local: it answers 502; the batch 00000000000000000000000000000001 goes on in AWS: the same command picks it up\n") ||
		len(r.pauses) != maxTries {
		t.Errorf("%+v after %v", got, r.pauses)
	}
	r.answers(gone("01"))
	r.batches[0].status = batchStopped
	got = r.run(t.Context(), dir, "-o", out)
	if got.status != exitOK || len(r.batches) != 2 || !strings.Contains(got.stderr, "it is not there any more: starting another, which pays for nothing that was recognized\n") {
		t.Errorf("%+v", got)
	}
	r.answers(gone("03"))
	if got = r.run(t.Context(), dir, "-o", out); got.status != exitFailed || !strings.Contains(got.stderr, "3 was erased\n") {
		t.Errorf("%+v", got)
	}
}

// What the relay says of an order is passed on, and nothing is left of it.
func TestBatchIsRefused(t *testing.T) {
	r := newBatchRelayOf(t, 1)
	dir, out := scansFolder(t, 2), filepath.Join(t.TempDir(), "answers.csv")
	r.answer = func(w http.ResponseWriter, req *http.Request, n int) bool {
		if req.URL.Path != "/batches" {
			return false
		}
		switch n {
		case 1:
			refuseWith(w, http.StatusUnprocessableEntity, "invalid_input", 0)
		case 2:
			w.WriteHeader(http.StatusForbidden)
		case 3: // the order was received before, with other uploads
			refuseWith(w, http.StatusUnprocessableEntity, "idempotency_key_reused", 0)
		default:
			return false
		}
		return true
	}
	for _, want := range []string{
		"local: the batch was not started: words of invalid_input\n",
		"local: the batch was not started: the key is not taken (403): is it right, and is it this relay's?\n",
		"written: " + out + "\n",
	} {
		if got := r.run(t.Context(), dir, "-o", out); !strings.HasSuffix(got.stderr, want) || r.uploadsTaken() != 2 {
			t.Errorf("%+v, want %s; %d uploads", got, want, r.uploadsTaken())
		}
	}
}

// Uploads that S3 does not take end it before a batch is started; a key that is wrong,
// or a quota that is used up, ends it at once.
func TestBatchUploadsAreRefused(t *testing.T) {
	dir := scansFolder(t, 9)
	r := newBatchRelayOf(t, 1)
	r.S3.Respond(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("<Error><Code>AccessDenied</Code></Error>"))
		return true
	})
	got := r.run(t.Context(), dir)
	if got.status != exitFailed || strings.Count(got.stderr, ".png: S3 does not take it: 403 AccessDenied\n") != 9 ||
		!strings.Contains(got.stderr, "local: no batch was started: some scans cannot be uploaded\n") || len(r.pauses) != 0 || len(r.batches) != 0 {
		t.Errorf("%+v", got)
	}
	r = newBatchRelayOf(t, 1)
	r.answer = func(w http.ResponseWriter, req *http.Request, n int) bool {
		if req.URL.Path == "/uploads" && n > 1 {
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = w.Write([]byte(`{"message":"Limit Exceeded"}`))
			return true
		}
		return false
	}
	got = r.run(t.Context(), dir, "--jobs", "2")
	if got.status != exitFailed || !strings.Contains(got.stderr, "local: the key's quota is used up; 9 of 9 scans are to be uploaded yet, no batch was started, and without -o there is no journal to go on from\n") || r.count("POST /uploads") > 3 {
		t.Errorf("%+v after %d calls", got, r.count("POST /uploads"))
	}
}

// Tables come from where nobody on the way can read them, and are a batch's.
func TestBatchTablesAreChecked(t *testing.T) {
	for name, c := range map[string]struct{ state, want string }{
		"plain http": {`"results":{"answers.csv":"http://tables.test/a","exceptions.csv":"http://tables.test/e"}`, "has no link to the table that can be followed"},
		"no links":   {`"results":{}`, "has no link to the table that can be followed"},
	} {
		r := newBatchRelayOf(t, 1)
		r.answer = func(w http.ResponseWriter, req *http.Request, _ int) bool {
			if strings.HasPrefix(req.URL.Path, "/batches/") && !strings.HasSuffix(req.URL.Path, "0000") {
				_, _ = fmt.Fprintf(w, `{"id":"00000000000000000000000000000001","status":"succeeded",%s}`, c.state)
				return true
			}
			return false
		}
		if got := r.run(t.Context(), scansFolder(t, 1)); got.status != exitFailed || !strings.Contains(got.stderr, c.want) || len(r.pauses) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for table, text := range map[string]string{"exceptions.csv": "image\r\n", "answers.csv": "image,status\r\na\r\n"} {
		r := newBatchRelayOf(t, 1)
		r.S3.Respond(func(w http.ResponseWriter, req *http.Request) bool {
			if req.Method == http.MethodGet && strings.HasSuffix(req.URL.Path, table) {
				_, _ = w.Write([]byte(text))
				return true
			}
			return false
		})
		out := filepath.Join(t.TempDir(), "answers.csv")
		got := r.run(t.Context(), scansFolder(t, 1), "-o", out)
		if _, err := os.Stat(out); got.status != exitFailed || !strings.Contains(got.stderr, "the batch's "+table+" cannot be read") || err == nil {
			t.Errorf("%s: %+v", table, got)
		}
	}
}

// The bucket keeps uploads for a day: older ones are not relied on, and those of another
// key are not this caller's.
func TestBatchUploadsAgainWhatMayBeGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept, err := journal.Open(filepath.Join(t.TempDir(), "j"))
		if err != nil {
			t.Fatal(err)
		}
		defer kept.Close()
		s, err := deployed("https://relay.test", remoteKey)
		if err != nil {
			t.Fatal(err)
		}
		set := &scans.Set{Sheets: []scans.Sheet{{Name: "a", Content: "c"}}}
		b := newBatchJob(&job{service: s, journal: kept, set: set})
		if err := kept.Submitted(b.uploadKey("c"), "id"); err != nil {
			t.Fatal(err)
		}
		another := *b
		another.caller = "another"
		if b.uploaded(&set.Sheets[0]) != "id" || len(b.missing()) != 0 || another.uploaded(&set.Sheets[0]) != "" {
			t.Error("the upload is not known to its caller alone")
		}
		recognition.Sleep(t.Context(), uploadLife+time.Second)
		if b.uploaded(&set.Sheets[0]) != "" || len(b.missing()) != 1 {
			t.Error("an upload of yesterday is relied on")
		}
	})
}

// The order of a batch must fit into a call: 60,000 scans with names of 30 letters do, and
// 70,000 do not.
func TestBatchOrderFitsIntoACall(t *testing.T) {
	j := &job{set: &scans.Set{}, pattern: sandbox.SamplePattern(), recognizeOptions: recognizeOptions{threshold: -1}}
	for count, fits := range map[int]bool{60_000: true, 70_000: false} {
		j.set.Sheets = make([]scans.Sheet, count)
		for i := range j.set.Sheets {
			j.set.Sheets[i].Name = fmt.Sprintf("class 7b/scan %016d", i)
		}
		if got := j.orderSize(); (got <= orderBytes) != fits {
			t.Errorf("%d scans take %d bytes", count, got)
		}
	}
}

// Every name by which a batch fails has its words.
func TestBatchErrorsAreKnown(t *testing.T) {
	names := regexp.MustCompile(`(?m)^\t[A-Z]\w+ +Name += "(\w+)"`).FindAllStringSubmatch(readFile(t, "../../internal/batch/fault.go"), -1)
	for _, name := range names {
		if batchErrors[name[1]] == "" && name[1] != "AnotherBatchRuns" { // which is waited for
			t.Errorf("%s has no words", name[1])
		}
	}
	if len(names) < 7 {
		t.Errorf("%q", names)
	}
}
