// Command batch is the Lambda function that does the work of a batch: each step of
// statemachine/batch.asl.json that is a task. It is a function of its own, with a role
// of its own: what it may do, no caller of the API reaches.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"omr-relay/internal/app"
	"omr-relay/internal/batch"
	"omr-relay/internal/callrecord"
	"omr-relay/internal/config"
	"omr-relay/internal/executions"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
)

func main() {
	f, err := newFunction(context.Background(), os.Getenv, os.Stdout)
	if err != nil {
		os.Exit(1)
	}
	lambda.Start(f.run)
}

// function runs steps, and writes a line of each.
type function struct {
	runner *batch.Runner
	log    *slog.Logger
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
// line has no names of files, no keys, and nothing of what is on the sheets.
func (f *function) run(ctx context.Context, in batch.Input) (*batch.Output, error) {
	began := time.Now()
	ctx, record := callrecord.With(ctx)
	out, err := f.runner.Run(ctx, in)
	step := "unknown"
	if batch.Known(in.Step) {
		step = in.Step
	}
	attrs := []slog.Attr{
		slog.String("step", step), slog.Int("submissions", record.Submissions), slog.Int("polls", record.Polls),
		slog.Float64("duration_ms", float64(time.Since(began).Microseconds())/1000),
	}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		attrs = append(attrs, slog.String("request_id", lc.AwsRequestID))
	}
	if record.LedgerErr != nil {
		attrs = append(attrs, slog.String("ledger_error", problem.Describe(record.LedgerErr)))
	}
	if err == nil {
		f.log.LogAttrs(ctx, slog.LevelInfo, "step", append(attrs, slog.String("state", string(out.State)))...)
		return out, nil
	}
	name := batch.Failed
	if failure, ok := errors.AsType[*batch.Fault](err); ok {
		name = failure.Name
	}
	f.log.LogAttrs(ctx, slog.LevelWarn, "step", append(attrs, slog.String("error_name", string(name)), slog.String("error", err.Error()))...)
	return nil, messages.InvokeResponse_Error{Type: string(name), Message: err.Error()}
}
