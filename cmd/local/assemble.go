package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"omr-relay/internal/app"
	"omr-relay/internal/config"
	"omr-relay/internal/sandbox"
)

// assemble wires the relay: to the services that the environment names, and to
// stand-ins for the others. It tells which. The caller closes the function.
func assemble(ctx context.Context, c console) (*function, error) {
	w, err := wire(ctx, c)
	if err != nil {
		return nil, err
	}
	log := &causes{w: c.stderr}
	relay := app.New(w.cfg, app.Options{AWS: w.aws, Bucket: w.bucket, Log: log, Wrap: w.tell.wrap})
	return &function{
		handler: relay, tell: w.tell, causes: log, close: w.close,
		allowOrigin: w.cfg.AllowOrigin, sample: c.getenv("OMR_BASE_URL") == "",
	}, nil
}

// wiring is what the relay is made of: services, real or not.
type wiring struct {
	cfg    config.Config
	aws    aws.Config
	bucket *aws.Config // of S3
	tell   *narrator
	close  func()
}

// wire finds the services, and tells which are not the real thing.
func wire(ctx context.Context, c console) (*wiring, error) {
	realSecret := c.getenv("OMR_SECRET_ID") != ""
	realUpstream := c.getenv("OMR_BASE_URL") != ""

	env, shutdown := c.getenv, func() {}
	var standIns *sandbox.Sandbox
	if !realSecret || !realUpstream {
		var err error
		if standIns, err = sandbox.Start(); err != nil {
			return nil, fmt.Errorf("starting the stand-ins: %w", err)
		}
		// Tasks that went by the number of polls alone would teach the relay that
		// they take ever longer.
		standIns.Aspose.SetReadyBy(standInTime)
		shutdown = func() { _ = standIns.Close() }
		env = withStandIns(c.getenv, standIns)
	}
	cfg, cfgErr := config.FromEnv(env)
	awsCfg, awsErr := awsConfig(ctx, realSecret, standIns)
	// A bucket of one's own is real; the stand-in is for who has configured nothing.
	standInBucket := !realSecret && !realUpstream && c.getenv("OMR_BUCKET") == ""
	bucket, bucketErr := bucketConfig(ctx, cfg.Bucket, standInBucket, standIns)
	if err := errors.Join(cfgErr, awsErr, bucketErr); err != nil {
		shutdown()
		return nil, err
	}
	if standInBucket {
		cfg.Bucket = sandbox.DefaultBucket
		standIns.S3.AllowOrigin = cfg.AllowOrigin
	}

	tell := newNarrator(c.stderr, colourful(c.stderr, c.getenv))
	tell.secrets, tell.tokens, tell.upstream, tell.bucket = "AWS Secrets Manager", cfg.TokenURL.Host, cfg.BaseURL.Host, "Amazon S3"
	if standInBucket {
		tell.bucket = "the stand-in S3"
	}
	if !realSecret {
		tell.secrets = "the stand-in Secrets Manager"
	}
	if !realUpstream {
		tell.upstream = "the stand-in Aspose.OMR"
		// The real credentials are not the stand-in's own.
		if realSecret {
			standIns.Token.AcceptAny()
		}
		if cfg.TokenURL.String() == standIns.TokenURL() {
			tell.tokens = "the stand-in token service"
		}
	}
	announce(tell, realSecret, realUpstream, standInBucket)
	return &wiring{cfg: cfg, aws: awsCfg, bucket: bucket, tell: tell, close: shutdown}, nil
}

// standInTime is how long the stand-in's tasks take.
const standInTime = 500 * time.Millisecond

// withStandIns fills in the stand-ins' addresses where nothing is configured.
func withStandIns(getenv func(string) string, standIns *sandbox.Sandbox) func(string) string {
	defaults := map[string]string{"OMR_SECRET_ID": sandbox.DefaultSecretID}
	if getenv("OMR_BASE_URL") == "" {
		defaults["OMR_BASE_URL"] = standIns.URL()
		defaults["OMR_TOKEN_URL"] = standIns.TokenURL()
	}
	return func(name string) string {
		if value := getenv(name); value != "" {
			return value
		}
		return defaults[name]
	}
}

// awsConfig is the SDK's default chain, or the stand-in's.
func awsConfig(ctx context.Context, realSecret bool, standIns *sandbox.Sandbox) (aws.Config, error) {
	if !realSecret {
		return standIns.AWSConfig(), nil
	}
	return app.LoadAWS(ctx)
}

// bucketConfig is the same for S3, or nil where there is no bucket.
func bucketConfig(ctx context.Context, name string, standIn bool, standIns *sandbox.Sandbox) (*aws.Config, error) {
	if standIn {
		return new(standIns.S3Config()), nil
	}
	if name == "" {
		return nil, nil //nolint:nilnil // nothing is to be configured
	}
	cfg, err := app.LoadAWS(ctx)
	cfg.HTTPClient = nil // which is for answers that are short
	return &cfg, err
}

// announce says what is not the real thing, and how to have it.
func announce(tell *narrator, realSecret, realUpstream, standInBucket bool) {
	var missing, settings []string
	if !realSecret {
		missing, settings = append(missing, tell.secrets), append(settings, "OMR_SECRET_ID")
	}
	if !realUpstream {
		missing, settings = append(missing, tell.tokens, tell.upstream), append(settings, "OMR_BASE_URL")
	}
	if standInBucket {
		missing, settings = append(missing, tell.bucket), append(settings, "OMR_BUCKET")
	}
	if missing != nil {
		tell.say("using", fmt.Sprintf("%s; set %s to use the real thing", strings.Join(missing, ", "), listed(settings)))
	}
}

// listed is "a, b and c".
func listed(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
