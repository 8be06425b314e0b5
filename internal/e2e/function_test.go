// Package e2e runs the function's own binary: bootstrap, as it is deployed,
// under a Lambda Runtime API, over real sockets to the stand-ins.
package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"omr-relay/internal/lambdaruntime/lambdaruntimetest"
	"omr-relay/internal/sandbox"
)

// bootstrap builds the function once, as it is deployed.
var bootstrap = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "bootstrap")
	return path, lambdaruntimetest.Build("../..", path, false)
})

func TestMain(m *testing.M) {
	var err error
	if buildDir, err = os.MkdirTemp("", "omr-relay-e2e"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(buildDir)
	os.Exit(code)
}

var buildDir string

// function is a running bootstrap with its surroundings.
type function struct {
	t       *testing.T
	sandbox *sandbox.Sandbox
	api     *lambdaruntimetest.Server
	process *os.Process
	log     *syncBuffer
}

// start runs the function against a sandbox of its own. env overrides what the
// sandbox calls for.
func start(t *testing.T, env ...string) *function {
	t.Helper()
	box, err := sandbox.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	return startIn(t, box, append([]string{
		"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + box.SecretsURL(),
		"OMR_BASE_URL=" + box.URL(),
	}, env...)...)
}

// startIn runs the function against a sandbox that may have others; env says where
// it is.
func startIn(t *testing.T, box *sandbox.Sandbox, env ...string) *function {
	t.Helper()
	path, err := bootstrap()
	if err != nil {
		t.Fatal(err)
	}
	api, err := lambdaruntimetest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Close() })

	f := &function{t: t, sandbox: box, api: api, log: &syncBuffer{}}
	cmd := exec.CommandContext(t.Context(), path)
	// Lambda's own variables; nothing of this machine's.
	cmd.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + api.Addr(),
		"AWS_LAMBDA_FUNCTION_NAME=omr-relay",
		"AWS_REGION=eu-west-1",
		"AWS_ACCESS_KEY_ID=AKIATEST",
		"AWS_SECRET_ACCESS_KEY=test",
		"OMR_SECRET_ID=" + sandbox.DefaultSecretID,
	}, env...)
	cmd.Stdout, cmd.Stderr = f.log, f.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f.process = cmd.Process
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the function's log:\n%s", f.log)
		}
	})
	return f
}

// invoke runs one invocation with a deadline of 10 s and returns its answer.
func (f *function) invoke(payload []byte) lambdaruntimetest.Result {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 30*time.Second)
	defer cancel()
	result, err := f.api.Invoke(ctx, payload, 10*time.Second)
	if err != nil {
		f.t.Fatal(err)
	}
	return result
}

// syncBuffer is a bytes.Buffer for a process to write and a test to read.
type syncBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
