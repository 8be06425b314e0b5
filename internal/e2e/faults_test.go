package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"omr-relay/internal/sandbox"
)

const getResult = "/v5.0/omr/RecognizeTemplate/GetRecognizeTemplate"

// TestDeadline lets the upstream hang: the answer is the relay's own 504 and
// leaves before the invocation's deadline.
func TestDeadline(t *testing.T) {
	f := start(t)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	f.sandbox.Aspose.Respond(func(_ http.ResponseWriter, r *http.Request) bool {
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return true
	})
	for _, deadline := range []time.Duration{time.Second, 2 * time.Second} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		began := time.Now()
		result, err := f.api.Invoke(ctx, restEvent(t, http.MethodGet, getResult, nil), deadline)
		took := time.Since(began)
		cancel()
		if err != nil || result.Failed || took >= deadline {
			t.Errorf("deadline %s: answered %s after %s, %v", deadline, result.Payload, took, err)
		}
		if got := problemOf(t, result.Payload); got != "504 upstream_timeout" {
			t.Errorf("deadline %s: answered %s", deadline, got)
		}
	}
}

// TestRotation rotates the secret and revokes the old token while calls run:
// none fails.
func TestRotation(t *testing.T) {
	f := start(t)
	for round := range 3 {
		f.sandbox.Rotate("rotated", "secret "+strings.Repeat("+", round))
		f.sandbox.Token.RevokeAll()
		got := f.invoke(restEvent(t, http.MethodGet, getResult, nil)).Payload
		if !bytes.Contains(got, []byte(`"statusCode":400`)) {
			t.Errorf("round %d: %s", round, got)
		}
	}
	if !strings.Contains(f.log.String(), `"token":"repair"`) {
		t.Error("no repair in the log")
	}
}

// TestNoSecret starts without a usable secret: the function serves, and says
// so in a problem of its own until the secret is there.
func TestNoSecret(t *testing.T) {
	f := start(t, "OMR_SECRET_ID=nowhere")
	if got := problemOf(t, f.invoke(restEvent(t, http.MethodGet, getResult, nil)).Payload); got != "503 credentials_unavailable" {
		t.Errorf("answered %s", got)
	}
	f.sandbox.Secrets.Put("nowhere", `{"client_id":"`+sandbox.DefaultClientID+`","client_secret":"`+sandbox.DefaultClientSecret+`"}`)
	if got := f.invoke(restEvent(t, http.MethodGet, getResult, nil)).Payload; !bytes.Contains(got, []byte(`"statusCode":400`)) {
		t.Errorf("with the secret: %s", got)
	}
}

// TestBadConfiguration wants one line and an exit before the first poll.
func TestBadConfiguration(t *testing.T) {
	path, err := bootstrap()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path)
	cmd.Env = []string{"OMR_BASE_URL=http://elsewhere.example", "OMR_TOKEN_URL=::", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:1"}
	out, err := cmd.Output()
	if err == nil {
		t.Error("exit status 0")
	}
	var line struct{ Level, Error string }
	if json.Unmarshal(out, &line) != nil || bytes.Count(out, []byte("\n")) != 1 || line.Level != "ERROR" {
		t.Fatalf("wrote %q, want one line of JSON", out)
	}
	for _, name := range []string{"OMR_SECRET_ID", "OMR_BASE_URL", "OMR_TOKEN_URL"} {
		if !strings.Contains(line.Error, name) {
			t.Errorf("%q does not name %s", line.Error, name)
		}
	}
}

// problemOf gives status and code of an answer with a problem document.
func problemOf(t *testing.T, payload []byte) string {
	t.Helper()
	var answer struct {
		StatusCode json.Number
		Body       string
	}
	var document struct{ Code string }
	if err := json.Unmarshal(payload, &answer); err != nil {
		t.Fatalf("answer %s: %v", payload, err)
	}
	_ = json.Unmarshal([]byte(answer.Body), &document) // not a problem: the code stays empty
	return answer.StatusCode.String() + " " + document.Code
}
