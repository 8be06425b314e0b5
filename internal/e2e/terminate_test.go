//go:build unix

package e2e

import (
	"net/http"
	"syscall"
	"testing"
)

// TestTermination: between two invocations SIGTERM ends the function at once.
// Lambda sends it where an extension is registered, and waits.
func TestTermination(t *testing.T) {
	f := start(t)
	f.invoke(restEvent(t, http.MethodGet, getResult, nil))
	f.signal(syscall.SIGTERM)
	state, err := f.process.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if status, ok := state.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGTERM {
		t.Errorf("ended with %v", state)
	}
}
