package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"omr-relay/internal/sandbox"
)

// TestMemory sends scans of 4 and 40 MB that were uploaded: neither takes more memory
// than one of 4 MB that comes with the request, and each arrives as it was uploaded,
// also where it has to be sent again.
func TestMemory(t *testing.T) {
	small, large := noise(4_000_000), noise(40_000_000)
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "HTTP 1.1", true: "HTTP 2"}[secure], func(t *testing.T) {
			inBody := peakOf(t, secure, small, false, 0)
			smallUpload := peakOf(t, secure, small, true, 0)
			largeUpload := peakOf(t, secure, large, true, 0)
			repaired := peakOf(t, secure, large, true, 1)
			t.Logf("peaks in KB: 4 MB in the body %d, uploaded %d; 40 MB uploaded %d, after a 401 %d", inBody, smallUpload, largeUpload, repaired)
			if max(smallUpload, largeUpload, repaired) > inBody {
				t.Error("an upload takes more memory than 4 MB in the body do")
			}
		})
	}
}

// peakOf has a new process recognize a scan, of which the upstream refuses the first
// submissions with 401, and returns the most memory that the process had, in KB.
func peakOf(t *testing.T, secure bool, scan []byte, uploaded bool, refused int) int {
	t.Helper()
	s := newShared(t)
	up := &devourer{box: s.box, refused: refused}
	server := httptest.NewUnstartedServer(up)
	var trust string
	if secure {
		server.EnableHTTP2 = true
		server.StartTLS()
		trust = filepath.Join(t.TempDir(), "roots.pem")
		root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
		if err := os.WriteFile(trust, root, 0o600); err != nil {
			t.Fatal(err)
		}
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	f := s.start("OMR_BASE_URL="+server.URL, "SSL_CERT_FILE="+trust, "GOMAXPROCS=1")
	image := any(scan)
	if uploaded {
		image = byID(f.upload(scan))
	}
	answer := f.call(t.Context(), "/recognize", http.Header{"Prefer": {"wait=0"}}, task(t, image))
	if answer.status != http.StatusAccepted {
		t.Errorf("answered %+v", answer)
	}
	if got := f.invoke(restEvent(t, http.MethodGet, "/"+answer.header.Get("Location"), nil)).Payload; !bytes.Contains(got, []byte(`"body":"result"`)) {
		t.Errorf("the result is %s", got)
	}
	peak := f.peak()

	want := sha256.New()
	encoder := base64.NewEncoder(base64.StdEncoding, want)
	_, _ = io.WriteString(want, `{"images":["`)
	_, _ = encoder.Write(scan)
	_ = encoder.Close()
	rest := `"],"omrFile":"` + base64.StdEncoding.EncodeToString(sandbox.SamplePattern()) + `","outputFormat":"CSV"}`
	_, _ = io.WriteString(want, rest)
	size := int64(len(`{"images":["`) + base64.StdEncoding.EncodedLen(len(scan)) + len(rest))
	if len(up.taken) != refused+1 {
		t.Errorf("the upstream has %d submissions, want %d", len(up.taken), refused+1)
	}
	for i, got := range up.taken {
		if got.declared != size || got.size != size || !bytes.Equal(got.digest, want.Sum(nil)) || got.major != map[bool]int{false: 1, true: 2}[secure] {
			t.Errorf("submission %d over HTTP/%d arrived with %d bytes, or others, and Content-Length %d; want %d", i+1, got.major, got.size, got.declared, size)
		}
	}
	if refused > 0 && (len(up.tokens) != refused+1 || up.tokens[0] == up.tokens[1]) {
		t.Error("it was not sent again with another token")
	}
	return peak
}

// peak is the most memory that the process has had, in KB.
func (f *function) peak() int {
	f.t.Helper()
	status := string(read(f.t, fmt.Sprintf("/proc/%d/status", f.process.Pid)))
	var peak int
	_, line, _ := strings.Cut(status, "VmHWM:")
	if _, err := fmt.Sscan(line, &peak); err != nil {
		f.t.Fatal(err)
	}
	return peak
}

// devourer is an upstream that keeps nothing of what it is sent.
type devourer struct {
	box *sandbox.Sandbox

	mu      sync.Mutex // guards what follows, while the process lives
	refused int        // submissions still to refuse
	taken   []taken
	tokens  []string
}

type taken struct {
	declared, size int64
	digest         []byte
	major          int // of HTTP
}

func (d *devourer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == sandbox.TokenPath {
		d.box.Upstream().ServeHTTP(w, r)
		return
	}
	if r.Method == http.MethodGet {
		_, _ = io.WriteString(w, `{"id":"1","responseStatusCode":"Ok","results":[{"type":"Csv","data":"cmVzdWx0"}]}`)
		return
	}
	digest := sha256.New()
	n, _ := io.Copy(digest, r.Body) // of one that broke off, n tells
	d.mu.Lock()
	defer d.mu.Unlock()
	d.taken = append(d.taken, taken{r.ContentLength, n, digest.Sum(nil), r.ProtoMajor})
	d.tokens = append(d.tokens, r.Header.Get("Authorization"))
	if d.refused > 0 {
		d.refused--
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_, _ = io.WriteString(w, "3f2504e0-4f89-41d3-9a0c-0305e82c3301")
}
