package handler_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"omr-relay/internal/metric/metrictest"
)

var update = flag.Bool("update", false, "write the files in testdata instead of comparing with them")

// What a machine's environment would put into the lines is pinned to what
// Lambda's says.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	lambdacontext.FunctionName = "omr-relay-test"
	failed := m.Run()
	for _, fault := range emfFaults.all {
		fmt.Fprintln(os.Stderr, "a line that is no metrics' line:", fault)
		failed = 1
	}
	os.Exit(failed)
}

// emfFaults has what is wrong with any line that any test here has had written.
var emfFaults struct {
	mu  sync.Mutex // guards all
	all []string
}

// checkEMF takes note of a line that CloudWatch would not take.
func checkEMF(line []byte) {
	if err := metrictest.Check(line); err != nil {
		emfFaults.mu.Lock()
		defer emfFaults.mu.Unlock()
		emfFaults.all = append(emfFaults.all, fmt.Sprintf("%v: %s", err, line))
	}
}

// golden compares got with a file in testdata, whole.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", filepath.FromSlash(name))
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs\n got %s\nwant %s", file, got, want)
	}
}
