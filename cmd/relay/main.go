// Command relay is the Lambda function: bootstrap for provided.al2023.
package main

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"omr-relay/internal/app"
	"omr-relay/internal/budget"
	"omr-relay/internal/config"
	"omr-relay/internal/lambdaruntime"
	"omr-relay/internal/version"
)

func main() {
	concurrency := lambdacontext.MaxConcurrency()
	runtime.GOMAXPROCS(processors(os.Getenv, concurrency))
	log.SetOutput(app.StandardLog(os.Stderr))
	// Lambda sends SIGTERM where an extension is registered, which is for whoever
	// deploys to decide: for ourselves there is nothing to tidy up. What has been
	// paid for is answered first.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	err := run(ctx, os.Getenv, os.Stdout, func(relay *app.Relay) error {
		if err := lambdaruntime.Serve(ctx, os.Getenv("AWS_LAMBDA_RUNTIME_API"), concurrency, relay.Respond); ctx.Err() == nil {
			return err
		}
		return nil // as it was told
	})
	stop()
	if err != nil {
		os.Exit(1)
	}
}

// processors is how many are worth having, or 0 to leave Go its own choice. An
// invocation is one thing after the other: more threads would only wake one
// another. template.yaml sets the variable, which spares the start as well.
func processors(getenv func(string) string, concurrency int) int {
	if concurrency == 1 && getenv("GOMAXPROCS") == "" {
		return 1
	}
	return 0
}

// run builds the relay from the environment and has it served, which in Lambda
// does not end. An error is logged in one line: bad configuration before the
// first invocation, or a Runtime API that cannot be talked to.
func run(ctx context.Context, getenv func(string) string, stdout io.Writer, serve func(*app.Relay) error) error {
	cfg, err := config.FromEnv(getenv)
	if err == nil && cfg.BaseURL.Scheme == "https" {
		go loadRoots(getenv) // ends by itself
	}
	awsConfig, awsErr := app.LoadAWS(ctx)
	if err = errors.Join(err, awsErr); err != nil {
		app.NewLogger(stdout, cfg.LogLevel).LogAttrs(ctx, slog.LevelError, "bad configuration", slog.String("error", err.Error()))
		return err
	}
	relay := app.New(cfg, app.Options{AWS: awsConfig, Log: stdout, Metrics: true})
	relay.Log.LogAttrs(ctx, slog.LevelInfo, "start", slog.String("version", version.Version))
	prefetch(ctx, relay)
	if err := serve(relay); err != nil {
		relay.Log.LogAttrs(ctx, slog.LevelError, "serving ended", slog.String("error", err.Error()))
		return err
	}
	return nil
}

// prefetch is worth a try and no more: what it could not get, the first
// invocation gets.
func prefetch(ctx context.Context, relay *app.Relay) {
	ctx, cancel := context.WithTimeout(ctx, budget.Prefetch)
	defer cancel()
	if err := relay.Prefetch(ctx); err != nil {
		relay.Log.LogAttrs(ctx, slog.LevelWarn, "prefetching the token failed; the first invocation tries again",
			slog.String("error", err.Error()))
	}
}
