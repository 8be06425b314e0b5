package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"omr-relay/internal/omr"
	"omr-relay/internal/sandbox"
)

// bucketRelay is a relay that is deployed with a bucket: the real chain of the SDK's,
// over sockets, to services that count.
type bucketRelay struct {
	*remote // counts what is paid for; its own URL is not used
	*sandbox.Sandbox
	env   func(string) string
	paths []string // that were called
}

// newBucketRelay takes settings besides those of the services.
func newBucketRelay(t *testing.T, settings map[string]string) *bucketRelay {
	t.Helper()
	services, err := sandbox.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = services.Close() })
	sdkEnvironment(t, services.SecretsURL(), "us-east-1")
	t.Setenv("AWS_ENDPOINT_URL_S3", *services.S3Config().BaseEndpoint)
	t.Setenv("AWS_ACCESS_KEY_ID", sandbox.DefaultAccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", sandbox.DefaultSecretAccessKey)
	r := &bucketRelay{remote: &remote{submitted: map[string]int{}}, Sandbox: services}
	services.Aspose.SetNotReady(0)
	services.Aspose.Respond(r.countSubmission)
	services.S3.Record(100)
	names := map[string]string{"OMR_SECRET_ID": sandbox.DefaultSecretID, "OMR_BASE_URL": services.URL(), "OMR_TOKEN_URL": services.TokenURL()}
	maps.Copy(names, settings)
	fn, err := assemble(t.Context(), console{stdout: io.Discard, stderr: &lockedWriter{w: io.Discard}, getenv: with(names)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fn.close)
	served := &gateway{door: admission{keys: apiKeys{firstKey}}, respond: fn.respond, problem: fn.tell.problem}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.paths = append(r.paths, req.URL.Path)
		r.mu.Unlock()
		served.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	r.env = with(map[string]string{"OMR_RELAY_URL": server.URL, "OMR_RELAY_KEY": firstKey})
	return r
}

func (r *bucketRelay) called(path string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.paths {
		if strings.HasSuffix(p, path) {
			n++
		}
	}
	return n
}

// A folder of small scans and a large one: each is paid for once, the large one by
// way of the bucket, which never sees the key.
func TestRecognizeUploadsWhatIsTooLargeForACall(t *testing.T) {
	r := newBucketRelay(t, map[string]string{"OMR_BUCKET": sandbox.DefaultBucket})
	dir, out := scansFolder(t, 3), filepath.Join(t.TempDir(), "answers.csv")
	writeFile(t, filepath.Join(dir, "large.png"), string(largeScan(6_000_000)))
	for _, kept := range []string{"", ", 4 of them from the journal"} {
		got := recognized(t, r.env, dir, "-o", out)
		if got.status != exitOK || !strings.Contains(got.stderr, "4 of 4 have answers"+kept+"\n") || r.counts() != "[1:4]" {
			t.Fatalf("%+v, submitted %s", got, r.counts())
		}
		if told := strings.Contains(got.stderr, "uploading large.png, 6 MB\n"); told != (kept == "") {
			t.Errorf("told of the upload %t:\n%s", told, got.stderr)
		}
	}
	if table := rows(t, readFile(t, out)); len(table) != 5 || table[1][0] != "large.png" || table[1][1] != "Ok" || table[1][3] != "A" {
		t.Errorf("%q", table)
	}
	if large, small := r.called("/recognize"), r.called("/PostRecognizeTemplate"); large != 1 || small != 3 {
		t.Errorf("%d by an upload and %d in a call", large, small)
	}
	uploads := 0
	for _, req := range r.S3.Requests() {
		if req.Method == http.MethodPost {
			uploads++
		}
		if req.Method == http.MethodPost && req.Header.Get("Authorization") != "" || strings.Contains(fmt.Sprint(req), firstKey) {
			t.Errorf("S3 was sent %v", req.Header)
		}
	}
	if uploads != 1 {
		t.Errorf("%d uploads", uploads)
	}
}

// What no call and no bucket takes is said before anything is sent; the others can go
// on without.
func TestRecognizeKnowsWhatTheBucketTakes(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]string
		want     string
	}{
		"no bucket":    {nil, "large.png: 6.00 MB, and a call with this pattern takes 4.71 MB: scan it at a lower resolution"},
		"a small one":  {map[string]string{"OMR_BUCKET": sandbox.DefaultBucket, "OMR_MAX_UPLOAD_MEGABYTES": "5"}, "large.png: 6.00 MB, and the relay's bucket takes 5.24 MB: scan it at a lower resolution"},
		"any at most":  {map[string]string{"OMR_BUCKET": sandbox.DefaultBucket, "OMR_MAX_UPLOAD_MEGABYTES": "6"}, ""},
		"beyond S3's ": {map[string]string{"OMR_BUCKET": "another-bucket"}, "S3 does not take it: 404 NoSuchBucket"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newBucketRelay(t, c.settings)
			dir := scansFolder(t, 2)
			writeFile(t, filepath.Join(dir, "large.png"), string(largeScan(6_000_000)))
			got := recognized(t, r.env, dir)
			switch {
			case c.want == "":
				if got.status != exitOK || r.counts() != "[1:3]" {
					t.Errorf("%+v, submitted %s", got, r.counts())
				}
				return
			case strings.HasPrefix(c.want, "S3"):
				if got.status != exitFailed || r.counts() != "[1:2]" || !strings.Contains(got.stderr, "  large.png: not taken, and not paid for: "+c.want+"\n") {
					t.Errorf("%+v, submitted %s", got, r.counts())
				}
				return
			}
			if got.status != exitUsage || !strings.Contains(got.stderr, "nothing was sent:\n  "+c.want) || r.counts() != "[]" || r.S3.Count() != 0 {
				t.Errorf("%+v, submitted %s", got, r.counts())
			}
			got = recognized(t, r.env, dir, "--skip-unreadable")
			if got.status != exitFailed || r.counts() != "[1:2]" || !strings.Contains(got.stderr, "  "+c.want) || !strings.Contains(got.stdout, "large.png,unreadable") {
				t.Errorf("without it: %+v, submitted %s", got, r.counts())
			}
		})
	}
}

// A relay that answers neither yes nor no ends the command.
func TestRecognizeAsksForTheBucketOnce(t *testing.T) {
	relay := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			_, _ = io.WriteString(w, `{"status":"ok"}`)
			return
		}
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer relay.Close()
	scan := filepath.Join(t.TempDir(), "large.png")
	writeFile(t, scan, string(largeScan(6_000_000)))
	got := recognized(t, unset, scan, "--url", relay.URL, "--key", firstKey)
	if got.status != exitFailed || got.stderr != "local: the relay answers 502 to POST /uploads, by which it takes large scans: try again later\n" {
		t.Errorf("%+v", got)
	}
	// What else is wrong is said at once, and not after the relay has recovered.
	got = recognized(t, unset, scan, "--url", relay.URL, "--key", firstKey, "--pattern", filepath.Join(t.TempDir(), "missing.omr"))
	if got.status != exitUsage || !strings.Contains(got.stderr, "reading the pattern: open ") || !strings.Contains(got.stderr, "the relay answers 502 to POST /uploads") {
		t.Errorf("%+v", got)
	}
}

// A pattern that leaves no room for a scan is told, and not a scan of less than nothing.
func TestRecognizeRefusesAPatternAsLargeAsACall(t *testing.T) {
	r := newRemote(t)
	pattern := filepath.Join(t.TempDir(), "form.omr")
	writeFile(t, pattern, strings.TrimRight(readFile(t, patternFile), "\n")+strings.Repeat(" ", deployedBytes))
	got := recognized(t, r.env(), "../../events/sample", "--pattern", pattern)
	if got.status != exitUsage || !strings.Contains(got.stderr, "form.omr: a pattern of 4.7 MB, and a call takes 4.7 MB\n") {
		t.Errorf("%+v", got)
	}
}

// An upload is read from the disk while it is sent.
func TestUploadTakesNoMemory(t *testing.T) {
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/uploads" {
			_, _ = fmt.Fprintf(w, `{"upload":"id","url":"http://%s/","fields":{"key":"k"}}`, r.Host)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer store.Close()
	const large = 50 << 20
	path := filepath.Join(t.TempDir(), "large")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(large); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := deployed(store.URL, firstKey)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	told := 0
	scan := omr.Document{Size: large, Open: func() (io.ReadCloser, error) { return os.Open(path) }}
	if id, err := s.uploader.upload(t.Context(), scan, func(n int) { told += n }); id != "id" || err != nil {
		t.Fatal(id, err)
	}
	runtime.ReadMemStats(&after)
	allocated := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d KB allocated for %d MB", allocated/1000, large/1_000_000)
	if allocated > 2_000_000 || told != large {
		t.Errorf("%d bytes allocated, told of %d", allocated, told)
	}
}
