package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// unset is an environment without any setting.
func unset(string) string { return "" }

// output is what a run left behind.
type output struct {
	status         int
	stdout, stderr string
}

func runWith(ctx context.Context, stdin io.Reader, getenv func(string) string, args ...string) output {
	var stdout, stderr bytes.Buffer
	status := run(ctx, args, stdin, &stdout, &stderr, getenv)
	return output{status, stdout.String(), stderr.String()}
}

func TestRunTellsHowItIsUsed(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large.json")
	if err := os.WriteFile(large, make([]byte, maxEventFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args    []string
		message string
	}{
		{nil, "no command given"},
		{[]string{"invok"}, `unknown command "invok"`},
		{[]string{"invoke"}, "invoke takes one FILE, not 0"},
		{[]string{"invoke", "a", "b"}, "invoke takes one FILE, not 2"},
		{[]string{"invoke", "-x", "a"}, "flag provided but not defined: -x"},
		{[]string{"invoke", filepath.Join(t.TempDir(), "missing.json")}, "reading the event: open "},
		{[]string{"invoke", t.TempDir()}, "reading the event: read "},
		{[]string{"invoke", large}, "reading the event: more than 16.8 MB"},
		{[]string{"invoke", "-"}, "reading the event: broken"},
		{[]string{"start-api", "3000"}, `start-api takes no argument "3000"`},
		{[]string{"start-api", "--port", "web"}, `invalid value "web" for flag -port`},
		{[]string{"start-api", "--port", "65536"}, "--port must be between 0 and 65535, not 65536"},
		{[]string{"start-api", "--port=-1"}, "--port must be between 0 and 65535, not -1"},
	} {
		got := runWith(t.Context(), iotest.ErrReader(errors.New("broken")), unset, c.args...)
		if got.status != exitUsage || got.stdout != "" {
			t.Errorf("%q: status %d, stdout %q, want %d and nothing", c.args, got.status, got.stdout, exitUsage)
		}
		if !strings.HasPrefix(got.stderr, "local: "+c.message) || !strings.HasSuffix(got.stderr, usage) {
			t.Errorf("%q: %q, want %q and the usage", c.args, got.stderr, c.message)
		}
	}
}

func TestRunHelps(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"-h"}, {"--help"}, {"invoke", "-h"}, {"start-api", "--help"}} {
		if got := runWith(t.Context(), strings.NewReader(""), unset, args...); got != (output{exitOK, usage, ""}) {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

func TestFunctionErrorIsNamedAsInLambda(t *testing.T) {
	for want, err := range map[lambdaError]error{
		{"plain", "errorString"}: errors.New("plain"),
		{"typed", "usageError"}:  &usageError{"typed"},
		{"value", "valueError"}:  valueError{},
	} {
		if got := functionError(err); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

type valueError struct{}

func (valueError) Error() string { return "value" }
