package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
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
	status := run(ctx, append([]string{"local"}, args...), stdin, &stdout, &stderr, getenv)
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
		{[]string{"recognise", "scans", "--pattern", "form.omr"}, `unknown command "recognise"`},
		{[]string{"invoke"}, "invoke takes one FILE, not 0"},
		{[]string{"invoke", "a", "b"}, "invoke takes one FILE, not 2"},
		{[]string{"invoke", "--x", "a"}, "unknown flag: --x"},
		{[]string{"invoke", filepath.Join(t.TempDir(), "missing.json")}, "reading the event: open "},
		{[]string{"invoke", t.TempDir()}, "reading the event: read "},
		{[]string{"invoke", large}, "reading the event: more than 16.8 MB"},
		{[]string{"invoke", "-"}, "reading the event: broken"},
		{[]string{"start-api", "3000"}, `start-api takes no argument "3000"`},
		{[]string{"start-api", "--port", "web"}, `invalid argument "web" for "--port" flag`},
		{[]string{"start-api", "--port", "65536"}, "--port must be between 0 and 65535, not 65536"},
		{[]string{"start-api", "--port=-1"}, "--port must be between 0 and 65535, not -1"},
	} {
		got := runWith(t.Context(), iotest.ErrReader(errors.New("broken")), unset, c.args...)
		if got.status != exitUsage || got.stdout != "" {
			t.Errorf("%q: status %d, stdout %q, want %d and nothing", c.args, got.status, got.stdout, exitUsage)
		}
		if !strings.HasPrefix(got.stderr, "local: "+c.message) || !strings.HasSuffix(got.stderr, " --help tells how it is used\n") {
			t.Errorf("%q: %q, want %q and where to read on", c.args, got.stderr, c.message)
		}
	}
}

// Help is asked for, so it is what stdout is for; each command's has examples, and
// names its flags.
func TestRunHelps(t *testing.T) {
	for command, says := range map[string][]string{
		"":          {"invoke ", "start-api ", "completion ", "Exit status: 0; 1 ", "OMR_SECRET_ID", "OMR_BASE_URL", "OMR_BUCKET", "--version"},
		"invoke":    {"local invoke FILE", "Examples:\n  go run ./cmd/local invoke events/recognize.json\n", "Exit status: 1 "},
		"start-api": {"Examples:\n  go run ./cmd/local start-api\n", "--host HOST", "--port PORT", "(default 3000)", "--api-key KEY"},
	} {
		for _, args := range [][]string{{command, "--help"}, {command, "-h"}, {"help", command}} {
			args = slices.DeleteFunc(args, func(arg string) bool { return arg == "" })
			got := runWith(t.Context(), strings.NewReader(""), unset, args...)
			if got.status != exitOK || got.stderr != "" {
				t.Errorf("%q: status %d, %q", args, got.status, got.stderr)
			}
			for _, want := range says {
				if !strings.Contains(got.stdout, want) {
					t.Errorf("%q does not say %q:\n%s", args, want, got.stdout)
				}
			}
		}
	}
}

// The examples in the help are command lines that parse.
func TestExamplesParse(t *testing.T) {
	root := newRoot("local", console{}, func() {})
	for _, command := range root.Commands() {
		for line := range strings.Lines(command.Example) {
			words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "go run ./cmd/local "))
			if i := slices.Index(words, "<"); i >= 0 {
				words = words[:i]
			}
			found, rest, err := root.Find(words)
			if err != nil || found != command {
				t.Errorf("%s: is not a command line of %s: %v", line, command.Name(), err)
				continue
			}
			if err := found.ParseFlags(rest); err != nil {
				t.Errorf("%s: %v", line, err)
			} else if err := found.ValidateArgs(found.Flags().Args()); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
}

func TestVersionAndCompletion(t *testing.T) {
	got := runWith(t.Context(), strings.NewReader(""), unset, "--version")
	if got.status != exitOK || !strings.HasPrefix(got.stdout, "local version ") {
		t.Errorf("%+v", got)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := runWith(t.Context(), strings.NewReader(""), unset, "completion", shell); got.status != exitOK || !strings.Contains(got.stdout, "local") {
			t.Errorf("%s: %+v", shell, got)
		}
	}
	got = runWith(t.Context(), strings.NewReader(""), unset, "__complete", "s")
	if !strings.HasPrefix(got.stdout, "start-api\t") {
		t.Errorf("s is completed by %q", got.stdout)
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
