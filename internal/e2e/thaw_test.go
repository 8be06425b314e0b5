//go:build unix

package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"omr-relay/internal/sandbox"
)

// TestThaw stops the process for longer than its token lives, as Lambda's
// freeze does. The token of before is not sent, and neither GET nor POST is lost
// or sent twice.
func TestThaw(t *testing.T) {
	f := start(t)
	f.sandbox.Token.SetLifetime(time.Second)
	f.sandbox.Token.RevokeAll() // the prefetched one lives an hour
	if got := f.invoke(restEvent(t, http.MethodGet, getResult, nil)).Payload; !bytes.Contains(got, []byte(`"statusCode":400`)) {
		t.Fatalf("before: %s", got) // the stand-in's answer to a GET without an id
	}
	f.sandbox.Aspose.Record(10)
	for _, method := range []string{http.MethodPost, http.MethodGet} {
		before := f.sandbox.Aspose.Count()
		f.signal(syscall.SIGSTOP)
		<-time.After(1100 * time.Millisecond) // the token's life, in the real time of a real process
		f.signal(syscall.SIGCONT)
		result := f.invoke(restEvent(t, method, "/v5.0/omr/recognize", []byte(`{}`)))
		var answer struct{ StatusCode int }
		if err := json.Unmarshal(result.Payload, &answer); err != nil || answer.StatusCode == http.StatusUnauthorized || answer.StatusCode >= 500 {
			t.Errorf("%s after the thaw: %s", method, result.Payload)
		}
		if calls := f.sandbox.Aspose.Count() - before; calls != 1 {
			t.Errorf("%s after the thaw: %d calls upstream, want 1: an expired token was sent, or a call doubled", method, calls)
		}
	}
}

// TestThawOnDeadConnections stops the process while the upstream closes the
// connections that it keeps: no GET or DELETE fails after the thaw, and no POST
// arrives twice.
func TestThawOnDeadConnections(t *testing.T) {
	box := sandbox.New()
	upstream := httptest.NewServer(box.Upstream())
	defer upstream.Close()
	f := start(t, "OMR_BASE_URL="+upstream.URL)
	// The function's secret is that of its own sandbox; any will do here.
	box.Token.AcceptAny()
	for round := range 5 {
		for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodPost} {
			f.invoke(restEvent(t, http.MethodGet, getResult, nil)) // leaves a connection behind
			before := box.Aspose.Count()
			f.signal(syscall.SIGSTOP)
			upstream.CloseClientConnections()
			f.signal(syscall.SIGCONT)
			got := f.invoke(restEvent(t, method, "/v5.0/omr/recognize", []byte(`{}`))).Payload
			calls := box.Aspose.Count() - before
			failed := strings.HasPrefix(problemOf(t, got), "50")
			if method == http.MethodPost && calls > 1 || method != http.MethodPost && (failed || calls != 1) {
				t.Errorf("round %d: %s after the thaw: %d calls upstream, %s", round, method, calls, got)
			}
		}
	}
}

func (f *function) signal(s syscall.Signal) {
	f.t.Helper()
	if err := f.process.Signal(s); err != nil {
		f.t.Fatal(err)
	}
}
