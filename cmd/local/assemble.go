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
	relay := app.New(w.cfg, app.Options{AWS: w.aws, Log: log, Wrap: w.tell.wrap})
	return &function{
		handler: relay, tell: w.tell, causes: log, close: w.close,
		allowOrigin: w.cfg.AllowOrigin, sample: c.getenv("OMR_BASE_URL") == "",
	}, nil
}

// wiring is what the relay is made of: services, real or not.
type wiring struct {
	cfg   config.Config
	aws   aws.Config
	tell  *narrator
	close func()
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
	if err := errors.Join(cfgErr, awsErr); err != nil {
		shutdown()
		return nil, err
	}

	tell := newNarrator(c.stderr, colourful(c.stderr, c.getenv))
	tell.secrets, tell.tokens, tell.upstream = "AWS Secrets Manager", cfg.TokenURL.Host, cfg.BaseURL.Host
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
	announce(tell, realSecret, realUpstream)
	return &wiring{cfg: cfg, aws: awsCfg, tell: tell, close: shutdown}, nil
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

// announce says what is not the real thing, and how to have it.
func announce(tell *narrator, realSecret, realUpstream bool) {
	var missing, settings []string
	if !realSecret {
		missing, settings = append(missing, tell.secrets), append(settings, "OMR_SECRET_ID")
	}
	if !realUpstream {
		missing, settings = append(missing, tell.tokens, tell.upstream), append(settings, "OMR_BASE_URL")
	}
	if missing != nil {
		tell.say("using", fmt.Sprintf("%s; set %s to use the real thing", strings.Join(missing, ", "), strings.Join(settings, " and ")))
	}
}
