// Command batch is the Lambda function that does the work of a batch: each step of
// statemachine/batch.asl.json that is a task. It is a function of its own, with a role
// of its own: what it may do, no caller of the API reaches.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"

	"omr-relay/internal/app"
	"omr-relay/internal/batch"
	"omr-relay/internal/callrecord"
	"omr-relay/internal/config"
	"omr-relay/internal/executions"
	"omr-relay/internal/metric"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
	"omr-relay/internal/version"
)

func main() {
	log.SetOutput(libraryLog{app.StandardLog(os.Stderr)})
	f, err := newFunction(context.Background(), os.Getenv, os.Stdout)
	if err != nil {
		os.Exit(1)
	}
	lambda.Start(f.run)
}

// libraryLog leaves out the line that aws-lambda-go writes of each error: the function
// has written its own.
type libraryLog struct{ io.Writer }

func (l libraryLog) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(`{"errorMessage":`)) {
		return len(line), nil
	}
	return l.Writer.Write(line)
}

// function runs steps, and writes a line of each.
type function struct {
	runner *batch.Runner
	log    *slog.Logger
	served atomic.Bool // the first step
}

// newFunction builds it from the environment. An error has been logged in one line.
func newFunction(ctx context.Context, getenv func(string) string, stdout io.Writer) (*function, error) {
	cfg, err := config.FromEnv(getenv)
	own, ownErr := ownSettings(getenv)
	awsConfig, awsErr := app.LoadAWS(ctx)
	if err = errors.Join(err, ownErr, awsErr); err != nil {
		app.NewLogger(stdout, cfg.LogLevel).LogAttrs(ctx, slog.LevelError, "bad configuration", slog.String("error", err.Error()))
		return nil, err
	}
	relay := app.New(cfg, app.Options{AWS: awsConfig, Log: stdout, Metrics: true})
	relay.Log.LogAttrs(ctx, slog.LevelInfo, "start", slog.String("version", version.Version))
	return &function{log: relay.Log, runner: &batch.Runner{
		Files: relay.Bucket.Files(), Records: relay.Bucket.Records(""),
		Client: &omr.Client{Transport: relay.Upstream, BaseURL: cfg.BaseURL}, Tokens: relay.Tokens,
		Map:       executions.New(awsConfig, getenv("OMR_STATE_MACHINE")),
		MaxSheets: own.maxSheets, MaxPages: maxPages, Most: own.concurrency,
	}}, nil
}

// maxPages is of one file.
const maxPages = 1000

type settings struct{ maxSheets, concurrency int }

// ownSettings are those that the relay does not have.
func ownSettings(getenv func(string) string) (s settings, err error) {
	var faults []error
	number := func(name string, most int) int {
		n, err := strconv.Atoi(getenv(name))
		if err != nil || n < 1 || n > most {
			faults = append(faults, fmt.Errorf("%s: not a whole number from 1 to %d", name, most))
		}
		return n
	}
	s.maxSheets, s.concurrency = number("OMR_MAX_SHEETS", 100_000), number("OMR_BATCH_CONCURRENCY", 1000)
	for _, name := range []string{"OMR_BUCKET", "OMR_STATE_MACHINE"} {
		if getenv(name) == "" {
			faults = append(faults, errors.New(name+": not set"))
		}
	}
	return s, errors.Join(faults...)
}

// run is the Lambda handler. Its errors have the names that the state machine knows. The
// line is the metrics' as the relay's is. It has no names of files, no keys, and nothing of what is on the sheets.
func (f *function) run(ctx context.Context, event json.RawMessage) (*batch.Output, error) {
	began := time.Now()
	ctx, record := callrecord.With(ctx)
	var in batch.Input
	var out *batch.Output
	var err error = &batch.Fault{Name: batch.BadInput, Detail: "the event is none of the state machine's"}
	if json.Unmarshal(event, &in) == nil {
		out, err = f.runner.Run(ctx, in)
	}
	line := metric.NewLine(ctx, true)
	if f.served.CompareAndSwap(false, true) {
		line.Count(metric.ColdStarts, 1)
	}
	step := "unknown"
	if batch.Known(in.Step) {
		step = in.Step
	}
	line.Text("step", step)
	line.Invocation(record)
	line.Millis("duration_ms", time.Since(began))
	if record.LedgerErr != nil {
		line.Text("ledger_error", problem.Describe(record.LedgerErr))
	}
	if err == nil {
		line.Text("state", string(out.State))
		f.log.LogAttrs(ctx, slog.LevelInfo, "step", line.Members()...)
		return out, nil
	}
	name := batch.Failed
	if failure, ok := errors.AsType[*batch.Fault](err); ok {
		name = failure.Name
	}
	line.Text("error_name", string(name))
	line.Text("error", err.Error())
	f.log.LogAttrs(ctx, slog.LevelWarn, "step", line.Members()...)
	return nil, messages.InvokeResponse_Error{Type: string(name), Message: err.Error()}
}
