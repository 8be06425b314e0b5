// Command relay is the Lambda function: bootstrap for provided.al2023.
package main

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"omr-relay/internal/wire"
)

func main() {
	log.SetOutput(wire.StandardLog(os.Stderr))
	if err := run(context.Background(), os.Getenv, os.Stdout, lambda.Start); err != nil {
		os.Exit(1)
	}
}

// prefetchBudget is well under Lambda's 10 s for init, which is billed.
const prefetchBudget = 2500 * time.Millisecond

// run builds the relay from the environment and hands it to start, which in
// Lambda does not return. An error is bad configuration, logged in one line.
func run(ctx context.Context, getenv func(string) string, stdout io.Writer, start func(any)) error {
	cfg, err := wire.ConfigFromEnv(getenv)
	awsConfig, awsErr := wire.LoadAWS(ctx)
	if err = errors.Join(err, awsErr); err != nil {
		wire.NewLogger(stdout, cfg.LogLevel).LogAttrs(ctx, slog.LevelError, "bad configuration", slog.String("error", err.Error()))
		return err
	}
	relay := wire.New(cfg, wire.Options{AWS: awsConfig, Log: stdout, Metrics: true})
	prefetch(ctx, relay)
	start(relay.Handler)
	return nil
}

// prefetch is worth a try and no more: what it could not get, the first
// invocation gets.
func prefetch(ctx context.Context, relay *wire.Relay) {
	ctx, cancel := context.WithTimeout(ctx, prefetchBudget)
	defer cancel()
	if err := relay.Prefetch(ctx); err != nil {
		relay.Log.LogAttrs(ctx, slog.LevelWarn, "prefetching the token failed; the first invocation tries again",
			slog.String("error", err.Error()))
	}
}
