// Command library is a peer in the benchmark: the relay on aws-lambda-go's own
// loop, lambda.Start, in place of internal/lambdaruntime. Whether that loop is
// worth having shows in the difference to the relay. Streaming is left out: the
// library has a handler stream only what it has decoded the event for itself.
package main

import (
	"context"
	"log"
	"os"
	"runtime"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"omr-relay/internal/app"
	"omr-relay/internal/config"
)

// getenv is os.Getenv: the peers are programs of their own.
var getenv = os.Getenv //nolint:forbidigo // see above

func main() {
	runtime.GOMAXPROCS(1)
	ctx := context.Background()
	cfg, err := config.FromEnv(getenv)
	if err != nil {
		log.Fatal(err)
	}
	aws, err := app.LoadAWS(ctx)
	if err != nil {
		log.Fatal(err)
	}
	relay := app.New(cfg, app.Options{AWS: aws, Log: os.Stdout, Metrics: true})
	prefetch, cancel := context.WithTimeout(ctx, 2500*time.Millisecond)
	err = relay.Prefetch(prefetch)
	cancel()
	if err != nil {
		log.Print(err)
	}
	lambda.Start(relay.Handler)
}
