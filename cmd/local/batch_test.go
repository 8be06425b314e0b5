package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A folder becomes a batch: each content is uploaded once, files with pages whole, by
// requests that S3 never sees the key in; the tables appear beside the journal. The same
// command again pays for nothing.
func TestBatchOfAFolder(t *testing.T) {
	r := newBatchRelayOf(t, 7)
	dir, out := scansFolder(t, 3), filepath.Join(t.TempDir(), "answers.csv")
	writeFile(t, filepath.Join(dir, "scan9.png"), readFile(t, filepath.Join(dir, "scan1.png")))
	writeFile(t, filepath.Join(dir, "class.pdf"), readFile(t, "../../internal/scans/testdata/bilevel.pdf"))
	for round := 1; round <= 2; round++ {
		got := r.run(t.Context(), dir, "-o", out, "--threshold", "35")
		if got.status != exitFailed || got.stdout != "" {
			t.Fatalf("%+v", got)
		}
		for _, want := range []string{
			"4/4 ", ": uploaded\n", fmt.Sprintf("batch %032x is started\n", round), "0/7 recognized: the sheets are being looked at\n0/5 recognized, 5 under way\n",
			"1/5 recognized, 4 under way\n", "4/5 recognized, 1 under way\n",
			"5 of 5 have answers\n1 for a person to look at:\n  scan9.png: the same content as row 2; submitted once\nwritten: " + out + ", " + strings.TrimSuffix(out, "csv") + "exceptions.csv\n",
		} {
			if !strings.Contains(got.stderr, want) {
				t.Errorf("%q is not in\n%s", want, got.stderr)
			}
		}
		if documents, most := r.payments(); documents != 4 || most != 1 || r.uploadsTaken() != 4*round {
			t.Errorf("%d documents, paid for %d times at most; %d uploads", documents, most, r.uploadsTaken())
		}
	}
	if table := rows(t, readFile(t, out)); len(table) != 6 || table[1][0] != "class.pdf" || table[5][0] != "scan9.png" || table[5][2] != "A" {
		t.Errorf("%q", table)
	}
	if exceptions := rows(t, readFile(t, strings.TrimSuffix(out, "csv")+"exceptions.csv")); len(exceptions) != 2 || exceptions[1][1] != "duplicate" {
		t.Errorf("%q", exceptions)
	}
	order := r.batches[0].order
	pattern, err := base64.StdEncoding.DecodeString(order.Pattern)
	if err != nil || string(pattern) != readFile(t, patternFile) || order.Format != "CSV" || *order.Threshold != 35 || order.Uploads[1].Upload != order.Uploads[4].Upload {
		t.Errorf("ordered %+v", order)
	}
	for _, req := range r.S3.Requests() {
		if strings.Contains(fmt.Sprint(req), remoteKey) {
			t.Errorf("S3 was sent %v", req.Header)
		}
	}
	if slices.ContainsFunc(r.pauses, func(d time.Duration) bool { return d != 7*time.Second }) || len(r.pauses) != 12 {
		t.Errorf("asked after %v, and not as Retry-After says", r.pauses)
	}
	if info, err := os.Stat(strings.TrimSuffix(out, "csv") + "journal"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the journal: %v %v", info, err)
	}
	// Once all is well, there is no list.
	if err := os.Remove(filepath.Join(dir, "scan9.png")); err != nil {
		t.Fatal(err)
	}
	if got := r.run(t.Context(), dir, "-o", out, "--resubmit"); got.status != exitOK || !r.batches[2].resubmit {
		t.Errorf("%+v", got)
	}
	if _, err := os.Stat(strings.TrimSuffix(out, "csv") + "exceptions.csv"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the list is still there: %v", err)
	}
}

// Both tables of a batch can be had, and printed; files that are no scans have their rows
// in each.
func TestBatchTables(t *testing.T) {
	r := newBatchRelayOf(t, 1)
	dir := scansFolder(t, 2)
	writeFile(t, filepath.Join(dir, "spoilt.jpg"), "\xff\xd8\xff")
	jsonl := filepath.Join(t.TempDir(), "answers.jsonl")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"printed":          {nil, "image,status,Question1\r\nscan1.png,Ok,A\r\nscan2.png,Ok,A\r\nspoilt.jpg,unreadable,\r\n"},
		"printed as lines": {[]string{"--format", "jsonl"}, "{\"image\":\"scan1.png\",\"status\":\"Ok\",\"answers\":{\"Question1\":\"A\"}}\n{\"image\":\"scan2.png\",\"status\":\"Ok\",\"answers\":{\"Question1\":\"A\"}}\n{\"image\":\"spoilt.jpg\",\"status\":\"unreadable\"}\n"},
		"a file of lines":  {[]string{"-o", jsonl}, ""},
	} {
		got := r.run(t.Context(), append(c.args, dir, "--skip-unreadable")...)
		if got.status != exitFailed || got.stdout != c.want {
			t.Errorf("%s: %+v", name, got)
		}
		if !strings.Contains(got.stderr, "2 of 3 have answers\n1 for a person to look at:\n  spoilt.jpg: damaged: it begins as a JPEG and does not go on as one\n") {
			t.Errorf("%s: %s", name, got.stderr)
		}
	}
	if list := rows(t, readFile(t, strings.TrimSuffix(jsonl, "jsonl")+"exceptions.csv")); len(list) != 2 || list[1][0] != "spoilt.jpg" || list[1][1] != "unreadable" || strings.Count(readFile(t, jsonl), "\n") != 3 {
		t.Errorf("%q", list)
	}
}

// What is wrong with the command line or the files is said before anything is sent, and
// what the relay has not, before anything is uploaded.
func TestBatchJudgesBeforeItSends(t *testing.T) {
	r := newBatchRelayOf(t, 1)
	dir := scansFolder(t, 1)
	spoilt := scansFolder(t, 1)
	writeFile(t, filepath.Join(spoilt, "photo.heic"), "\x00\x00\x00\x18ftypheic\x00\x00")
	writeFile(t, filepath.Join(spoilt, "locked.pdf"), "%PDF-1.7\n/Type /Page /Type /Page /Encrypt\n%%EOF")
	if err := os.WriteFile(spoilt+"/line\nbreak.png", []byte(readFile(t, filepath.Join(dir, "scan1.png"))), 0o600); err != nil {
		t.Skip("this file system has no such names")
	}
	deep := filepath.Join(t.TempDir(), strings.Repeat("d", 100), strings.Repeat("e", 100))
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(deep, strings.Repeat("f", 80)+".png"), readFile(t, filepath.Join(dir, "scan1.png")))
	large := t.TempDir()
	writeFile(t, filepath.Join(large, "large.png"), string(largeScan(2<<20)))
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"samples":                         {[]string{dir, "--sample"}, "local: --sample and --batch exclude one another"},
		"a format":                        {[]string{dir, "--format", "xml"}, "local: --format must be csv or jsonl with --batch"},
		"an output":                       {[]string{dir, "-o", filepath.Join(t.TempDir(), "a.json")}, ".json ends in neither .csv nor .jsonl, which are the tables that a batch makes"},
		"an empty folder":                 {[]string{t.TempDir()}, "no scans there"},
		"spoilt scans":                    {[]string{spoilt}, "nothing was sent:\n  locked.pdf: an encrypted PDF: save it without a password\n  photo.heic: HEIC"},
		"a name":                          {[]string{spoilt}, `"line\nbreak.png": a name with control characters, which no batch takes: rename it`},
		"a long name":                     {[]string{filepath.Dir(filepath.Dir(deep))}, ".png: a name of more than 255 characters, which no batch takes: rename it"},
		"a scan too large for the bucket": {[]string{large}, "large.png: 2.10 MB, and the relay's bucket takes 1.05 MB"},
	} {
		got := r.run(t.Context(), c.args...)
		if got.status != exitUsage || !strings.Contains(got.stderr, c.want) || len(r.batches) != 0 || r.uploadsTaken() != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := recognized(t, unset, dir, "--batch"); got.status != exitUsage || !strings.HasPrefix(got.stderr, "local: --batch starts a batch at a relay that you have deployed: name it with --url URL --key KEY") {
		t.Errorf("no relay: %+v", got)
	}
	r.noMachine = true
	if got := r.run(t.Context(), dir); got.status != exitFailed || !strings.HasPrefix(got.stderr, "local: the relay has no batches: ") || !strings.Contains(got.stderr, "Scans=create") {
		t.Errorf("no state machine: %+v", got)
	}
	r.answer = func(w http.ResponseWriter, req *http.Request, _ int) bool {
		if req.URL.Path == "/uploads" {
			refuseWith(w, http.StatusNotFound, "route_not_found", 0)
		}
		return req.URL.Path == "/uploads"
	}
	if got := r.run(t.Context(), dir); got.status != exitFailed || !strings.HasPrefix(got.stderr, "local: the relay has no bucket, and so no batches: ") {
		t.Errorf("no bucket: %+v", got)
	}
	if r.uploadsTaken() != 0 {
		t.Errorf("%d uploads", r.uploadsTaken())
	}
}

// What breaks is tried again, whatever it is: forms, uploads, the order, questions and
// tables. One batch is started, and each document paid for once.
func TestBatchOutlivesFaults(t *testing.T) {
	r := newBatchRelayOf(t, 3)
	r.answer = func(w http.ResponseWriter, req *http.Request, n int) bool {
		switch call := req.Method + " " + strings.TrimRight(req.URL.Path, "0123456789"); {
		case call == "POST /uploads" && n == 2:
			w.Header().Set("Retry-After", "3")
			w.WriteHeader(http.StatusTooManyRequests)
		case call == "POST /uploads" && n == 3, call == "GET /batches/" && n == 2:
			refuseWith(w, http.StatusServiceUnavailable, "batches_unavailable", 5)
		case call == "POST /batches" && n == 1:
			r.serve(devNull{}, req, 3) // received, and the answer lost
			panic(http.ErrAbortHandler)
		case call == "GET /batches/" && n == 3:
			panic(http.ErrAbortHandler)
		case call == "GET /batches/" && n == 1 && !strings.HasSuffix(req.URL.Path, "0000"):
			refuseWith(w, http.StatusNotFound, "batch_not_found", 0) // Step Functions does not know it yet
		default:
			return false
		}
		return true
	}
	uploads, tables := 0, 0
	r.S3.Respond(func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method == http.MethodPost {
			uploads++
		} else {
			tables++
		}
		switch {
		case req.Method == http.MethodPost && uploads == 1:
			panic(http.ErrAbortHandler)
		case req.Method == http.MethodPost && uploads == 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		case req.Method == http.MethodGet && tables == 1: // a link that has ended
			w.WriteHeader(http.StatusForbidden)
		case req.Method == http.MethodGet && tables == 2:
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("image,sta"))
		default:
			return false
		}
		return true
	})
	dir, out := scansFolder(t, 5), filepath.Join(t.TempDir(), "answers.csv")
	got := r.run(t.Context(), dir, "-o", out, "--jobs", "1")
	documents, most := r.payments()
	if got.status != exitOK || len(r.batches) != 1 || documents != 5 || most != 1 || len(rows(t, readFile(t, out))) != 6 {
		t.Errorf("%+v: %d batches, %d documents paid for %d times", got, len(r.batches), documents, most)
	}
	for _, d := range []time.Duration{3 * time.Second, 5 * time.Second, time.Second, 7 * time.Second} {
		if !slices.Contains(r.pauses, d) {
			t.Errorf("no pause of %v among %v", d, r.pauses)
		}
	}
}

// devNull is whom an answer does not reach.
type devNull struct{}

func (devNull) Header() http.Header         { return http.Header{} }
func (devNull) Write(p []byte) (int, error) { return len(p), nil }
func (devNull) WriteHeader(int)             {}

// While another batch runs, it waits and says so: before its own was ordered, and where
// two were ordered at once.
func TestBatchWaitsForAnother(t *testing.T) {
	r := newBatchRelayOf(t, 2)
	r.elsewhere = true
	r.slept = func(n int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		switch n {
		case 2:
			r.elsewhere = false
		case 3:
			r.batches[0].failure = "AnotherBatchRuns"
		}
	}
	got := r.run(t.Context(), scansFolder(t, 2))
	if got.status != exitOK || len(r.batches) != 2 || r.uploadsTaken() != 2 {
		t.Errorf("%+v, %d batches", got, len(r.batches))
	}
	if n := strings.Count(got.stderr, "waiting 30s: another batch of this stack is running, and there is one at a time\n"); n != 3 {
		t.Errorf("said %d times:\n%s", n, got.stderr)
	}
}

// Interrupted wherever it waits, the same command goes on: with one batch, and one upload
// of each scan.
func TestBatchInterrupted(t *testing.T) {
	for name, c := range map[string]struct {
		at   string // the call that is answered in no time
		says string
	}{
		"uploading": {"POST /uploads", "interrupted; 3 of 3 scans are to be uploaded yet, no batch was started, and the same command goes on from there\n"},
		"ordering":  {"POST /batches", "interrupted; the batch was ordered, and nobody knows whether it is started: the same command picks it up\n"},
		"ordered":   {"POST /batches", "interrupted; the batch was ordered, and nobody knows whether it is started: the same command picks it up\n"},
		"following": {"GET /batches/", "interrupted; the batch 00000000000000000000000000000001 goes on in AWS: the same command picks it up\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newBatchRelayOf(t, 2)
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			r.answer = func(w http.ResponseWriter, req *http.Request, n int) bool {
				if !strings.HasPrefix(req.Method+" "+req.URL.Path, c.at) || strings.HasSuffix(req.URL.Path, "0000") || c.at == "POST /uploads" && n == 1 {
					return false
				}
				if name == "ordered" {
					r.serve(devNull{}, req, 2) // the batch is started, and nobody knows it
				}
				refuseWith(w, http.StatusServiceUnavailable, "batches_unavailable", 5)
				return true
			}
			r.slept = func(int) { interrupt() }
			dir, out := scansFolder(t, 3), filepath.Join(t.TempDir(), "answers.csv")
			got := r.run(ctx, dir, "-o", out)
			if got.status != exitFailed || !strings.HasSuffix(got.stderr, "local: "+c.says) {
				t.Errorf("%+v", got)
			}
			if files, _ := filepath.Glob(filepath.Join(filepath.Dir(out), "*")); len(files) != 1 {
				t.Errorf("left behind %v", files)
			}
			r.answers(nil)
			r.slept = nil
			got = r.run(t.Context(), dir, "-o", out)
			if documents, most := r.payments(); got.status != exitOK || len(r.batches) != 1 || r.uploadsTaken() != 3 || documents != 3 || most != 1 {
				t.Errorf("%+v: %d batches, %d uploads, %d documents", got, len(r.batches), r.uploadsTaken(), documents)
			}
			if known := strings.Contains(got.stderr, "was started before: going on with it\n"); known != (name == "following") {
				t.Errorf("%s", got.stderr)
			}
		})
	}
}
