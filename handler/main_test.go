package handler_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

var update = flag.Bool("update", false, "write the files in testdata instead of comparing with them")

// What a machine's environment would put into the lines is pinned to what
// Lambda's says.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	lambdacontext.FunctionName = "omr-relay-test"
	os.Exit(m.Run())
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
