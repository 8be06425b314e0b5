// Command local runs the relay's Lambda handler on this machine, in the words
// of "sam local": invoke sends one event through it, start-api serves it over
// HTTP. What is not configured is replaced by a stand-in on the loopback
// interface, so that it runs without an account and without a network.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"omr-relay/internal/app"
	"omr-relay/internal/recognition"
)

// The exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// A usageError is about the command line, or about the files that it names.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

// errSaid: the command failed, and what there is to say is already printed.
var errSaid = errors.New("the command failed")

func main() {
	log.SetOutput(app.StandardLog(os.Stderr))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Once stopping has begun, a second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	status := run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr, os.Getenv)
	stop()
	os.Exit(status)
}

// run executes one command and returns the exit status: 0, 1 when it failed, 2
// when the command line was wrong. args begin with the program's name. Ending ctx
// cancels an invoke and stops start-api, after the requests it is serving.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	return runOn(ctx, args, console{stdin: stdin, stdout: stdout, stderr: &lockedWriter{w: stderr}, getenv: getenv})
}

func runOn(ctx context.Context, args []string, c console) int {
	begun := false
	root := newRoot(filepath.Base(args[0]), c, func() { begun = true })
	root.SetArgs(args[1:])
	root.SetIn(c.stdin)
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	command, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errSaid):
		return exitFailed
	}
	// When stderr is gone, the exit status is all that is left.
	_, _ = fmt.Fprintf(c.stderr, "local: %v\n", err)
	// Before a command has begun, only the command line can be wrong.
	if _, wrong := errors.AsType[*usageError](err); wrong || !begun {
		_, _ = fmt.Fprintf(c.stderr, "%s --help tells how it is used\n", command.CommandPath())
		return exitUsage
	}
	return exitFailed
}

// console is what a command has of the world outside.
type console struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string

	// sleep, if not nil, waits in a timer's place: false where ctx ended before.
	sleep func(ctx context.Context, d time.Duration) bool
}

// pause waits, or returns false if ctx ended before.
func (c console) pause(ctx context.Context, d time.Duration) bool {
	if c.sleep != nil {
		return c.sleep(ctx, d)
	}
	return recognition.Sleep(ctx, d)
}
