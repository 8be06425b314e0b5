//go:build unix

package e2e

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTermination: told to end, the function polls no more, and a call that the
// upstream has been paid for is answered before it ends.
func TestTermination(t *testing.T) {
	f := start(t, "AWS_LAMBDA_MAX_CONCURRENCY=2")
	f.sandbox.Aspose.Respond(func(w http.ResponseWriter, r *http.Request) bool {
		f.signal(syscall.SIGTERM)
		for f.api.Waiting() > 0 { // until the other loop has heard of it
			select {
			case <-time.After(time.Millisecond):
			case <-r.Context().Done():
				return true
			}
		}
		w.WriteHeader(http.StatusTeapot)
		return true
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	result, err := f.api.Invoke(ctx, restEvent(t, http.MethodGet, getResult, nil), 20*time.Second)
	if err != nil || result.Failed || !bytes.Contains(result.Payload, []byte(`"statusCode":418`)) {
		t.Errorf("answered %s, %v", result.Payload, err)
	}
	if state, err := f.process.Wait(); err != nil || state.ExitCode() != 0 {
		t.Errorf("ended with %v, %v", state, err)
	}
	if log := f.log.String(); strings.Contains(log, "ERROR") {
		t.Errorf("logged %s", log)
	}
}
