// Command local runs the relay's Lambda handler on this machine, in the words
// of "sam local": invoke sends one event through it, start-api serves it over
// HTTP. What is not configured is replaced by a stand-in on the loopback
// interface, so that it runs without an account and without a network.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"omr-relay/internal/app"
)

const usage = `usage:
  local invoke FILE                             send the event in FILE ("-": standard input) through the relay
  local start-api [--host HOST] [--port PORT]   serve the relay over HTTP (127.0.0.1, 3000)
                  [--api-key KEY]...            to callers that send one of these keys, as if deployed

OMR_SECRET_ID  read this secret from AWS Secrets Manager instead of a stand-in
OMR_BASE_URL   relay to this Aspose.OMR Cloud instead of a stand-in
`

// The exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// A usageError is about the command line.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

// errHelp: the user asked for the usage text.
var errHelp = errors.New("help requested")

func main() {
	log.SetOutput(app.StandardLog(os.Stderr))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Once stopping has begun, a second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv)
	stop()
	os.Exit(status)
}

// run executes one command and returns the exit status: 0, 1 when it failed, 2
// when the command line was wrong. Ending ctx cancels an invoke and stops
// start-api, after the requests it is serving.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	stderr = &lockedWriter{w: stderr}
	act, err := parse(args)
	if err == nil {
		err = act(ctx, console{stdin, stdout, stderr, getenv})
	}
	if err == nil {
		return exitOK
	}
	if errors.Is(err, errHelp) {
		_, _ = fmt.Fprint(stdout, usage)
		return exitOK
	}
	if errors.Is(err, errInvocation) {
		return exitFailed // the answer on stdout says it all
	}
	// When stderr is gone, the exit status is all that is left.
	_, _ = fmt.Fprintln(stderr, "local:", err)
	if _, wrong := errors.AsType[*usageError](err); wrong {
		_, _ = fmt.Fprint(stderr, usage)
		return exitUsage
	}
	return exitFailed
}

// console is what a command has of the world outside.
type console struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
}

// action is a command with its arguments.
type action func(context.Context, console) error

func parse(args []string) (action, error) {
	if len(args) == 0 {
		return nil, &usageError{"no command given"}
	}
	switch command, rest := args[0], args[1:]; command {
	case "invoke":
		return parseInvoke(rest)
	case "start-api":
		return parseStartAPI(rest)
	case "help", "-h", "-help", "--help":
		return nil, errHelp
	default:
		return nil, &usageError{fmt.Sprintf("unknown command %q", command)}
	}
}

func parseInvoke(args []string) (action, error) {
	flags := flag.NewFlagSet("invoke", flag.ContinueOnError)
	if err := parseFlags(flags, args); err != nil {
		return nil, err
	}
	if flags.NArg() != 1 {
		return nil, &usageError{fmt.Sprintf("invoke takes one FILE, not %d", flags.NArg())}
	}
	return func(ctx context.Context, c console) error { return invoke(ctx, c, flags.Arg(0)) }, nil
}

func parseStartAPI(args []string) (action, error) {
	flags := flag.NewFlagSet("start-api", flag.ContinueOnError)
	host := flags.String("host", "127.0.0.1", "")
	port := flags.Int("port", 3000, "")
	var given []string
	// Judged later: the flag package's errors repeat the value.
	flags.Func("api-key", "", func(key string) error { given = append(given, key); return nil })
	if err := parseFlags(flags, args); err != nil {
		return nil, err
	}
	if flags.NArg() != 0 {
		return nil, &usageError{fmt.Sprintf("start-api takes no argument %q", flags.Arg(0))}
	}
	if *port < 0 || *port > 65535 {
		return nil, &usageError{fmt.Sprintf("--port must be between 0 and 65535, not %d", *port)}
	}
	keys, err := newAPIKeys(given)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, c console) error { return startAPI(ctx, c, *host, *port, keys) }, nil
}

func parseFlags(flags *flag.FlagSet, args []string) error {
	flags.SetOutput(io.Discard)
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return errHelp
	}
	if err != nil {
		return &usageError{err.Error()}
	}
	return nil
}
