package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"
)

const resultPath = "/v5.0/omr/GenerateTemplate/GetGenerateTemplate"

// TestStreaming has an answer of 20 MB come through the built function, its first
// half before the second has left the upstream.
func TestStreaming(t *testing.T) {
	f := start(t, "OMR_STREAMING=true")
	form := make([]byte, 20<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(form)
	half := len(form) / 2
	arrived := make(chan struct{})
	f.sandbox.Aspose.Respond(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(form[:half])
		_ = http.NewResponseController(w).Flush()
		select {
		case <-arrived:
			_, _ = w.Write(form[half:])
		case <-r.Context().Done():
		}
		return true
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	result, err := f.api.Stream(ctx, restEvent(t, http.MethodGet, resultPath, nil), 20*time.Second, &after{n: half, tell: arrived})
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := bytes.Cut(result.Payload, make([]byte, 8))
	var answer struct {
		StatusCode int               `json:"statusCode"`
		Headers    map[string]string `json:"headers"`
	}
	if err := json.Unmarshal(head, &answer); err != nil {
		t.Fatalf("%v in %.300s", err, head)
	}
	if result.Streamed == "" || result.Broken != nil || answer.StatusCode != http.StatusOK || answer.Headers["Content-Type"] != "application/octet-stream" {
		t.Errorf("%s of %q, broken by %s", head, result.Streamed, result.Broken)
	}
	if !bytes.Equal(body, form) {
		t.Errorf("%d bytes arrived of %d, or others", len(body), len(form))
	}
}

// after tells when n bytes have come.
type after struct {
	n    int
	tell chan<- struct{}
}

func (a *after) Write(p []byte) (int, error) {
	if a.n -= len(p); a.n <= 0 && a.tell != nil {
		close(a.tell)
		a.tell = nil
	}
	return len(p), nil
}

// TestStreamingBreaksOff: an upstream that goes away in the middle breaks the
// answer off, and the next call is served.
func TestStreamingBreaksOff(t *testing.T) {
	f := start(t, "OMR_STREAMING=true")
	f.sandbox.Aspose.Respond(func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = io.WriteString(w, "begun")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	result := f.invoke(restEvent(t, http.MethodGet, resultPath, nil))
	if !bytes.HasSuffix(result.Payload, []byte("\x00begun")) || !bytes.Contains(result.Broken, []byte("upstream_unreachable")) {
		t.Errorf("%s, broken by %q", result.Payload, result.Broken)
	}
	f.sandbox.Aspose.Respond(nil)
	result = f.invoke(restEvent(t, http.MethodGet, "/healthz", nil))
	if result.Streamed == "" || result.Broken != nil || !bytes.HasSuffix(result.Payload, []byte("\x00{\"status\":\"ok\"}")) {
		t.Errorf("afterwards: %+v", result)
	}
	// Nobody streams a schedule's answer.
	if result = f.invoke([]byte(`{"warmup":true}`)); result.Streamed != "" || !json.Valid(result.Payload) {
		t.Errorf("warm-up: %+v", result)
	}
}
