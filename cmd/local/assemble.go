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
// stand-ins for the others. It tells which. pages are the origins of the pages that it
// is served with, if any: they may use the bucket. The caller closes the function.
func assemble(ctx context.Context, c console, pages ...string) (*function, error) {
	w, err := wire(ctx, c)
	if err != nil {
		return nil, err
	}
	fn := &function{
		tell: w.tell, causes: &causes{w: c.stderr}, close: w.close,
		allowOrigin: w.cfg.AllowOrigin, sample: c.getenv("OMR_BASE_URL") == "",
	}
	embedded := w.standInBucket()
	if embedded {
		w.cfg.Bucket, w.bucket = sandbox.DefaultBucket, new(w.standIns.S3Config())
		if w.cfg.AllowOrigin != "" {
			pages = append(pages, w.cfg.AllowOrigin)
		}
		w.standIns.S3.AllowOrigins = pages
		fn.bucketURL, fn.maxUpload = *w.bucket.BaseEndpoint, w.cfg.MaxUpload
		w.tell.bucket = "the stand-in S3"
	}
	w.announce(embedded)
	fn.handler = app.New(w.cfg, app.Options{AWS: w.aws, Bucket: w.bucket, Log: fn.causes, Wrap: w.tell.wrap})
	return fn, nil
}

// wiring is what the relay is made of: services, real or not.
type wiring struct {
	cfg      config.Config
	aws      aws.Config
	bucket   *aws.Config // of S3, if there is a bucket
	tell     *narrator
	standIns *sandbox.Sandbox // nil if all is real
	close    func()

	realSecret, realUpstream bool
}

// standInBucket is for who has configured nothing: beside real services there is the
// bucket that is named, or none.
func (w *wiring) standInBucket() bool {
	return !w.realSecret && !w.realUpstream && w.cfg.Bucket == ""
}

// wire finds the services.
func wire(ctx context.Context, c console) (*wiring, error) {
	w := &wiring{close: func() {}, realSecret: c.getenv("OMR_SECRET_ID") != "", realUpstream: c.getenv("OMR_BASE_URL") != ""}
	env := c.getenv
	if !w.realSecret || !w.realUpstream {
		var err error
		if w.standIns, err = sandbox.Start(); err != nil {
			return nil, fmt.Errorf("starting the stand-ins: %w", err)
		}
		// Tasks that went by the number of polls alone would teach the relay that
		// they take ever longer.
		w.standIns.Aspose.SetReadyBy(standInTime)
		w.close = func() { _ = w.standIns.Close() }
		env = withStandIns(c.getenv, w.standIns)
	}
	var cfgErr, awsErr error
	w.cfg, cfgErr = config.FromEnv(env)
	if w.realSecret || c.getenv("OMR_BUCKET") != "" {
		w.aws, awsErr = app.LoadAWS(ctx)
	}
	if err := errors.Join(cfgErr, awsErr); err != nil {
		w.close()
		return nil, err
	}
	if w.cfg.Bucket != "" {
		w.bucket = new(w.aws.Copy())
		w.bucket.HTTPClient = nil // which is for answers that are short
	}
	if !w.realSecret {
		w.aws = w.standIns.AWSConfig()
	}
	w.name(c)
	return w, nil
}

// name tells the narrator what the other ends are.
func (w *wiring) name(c console) {
	tell := newNarrator(c.stderr, colourful(c.stderr, c.getenv))
	w.tell = tell
	tell.secrets, tell.tokens, tell.upstream, tell.bucket = "AWS Secrets Manager", w.cfg.TokenURL.Host, w.cfg.BaseURL.Host, "Amazon S3"
	if !w.realSecret {
		tell.secrets = "the stand-in Secrets Manager"
	}
	if !w.realUpstream {
		tell.upstream = "the stand-in Aspose.OMR"
		// The real credentials are not the stand-in's own.
		if w.realSecret {
			w.standIns.Token.AcceptAny()
		}
		if w.cfg.TokenURL.String() == w.standIns.TokenURL() {
			tell.tokens = "the stand-in token service"
		}
	}
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

// announce says what is not the real thing, and how to have it.
func (w *wiring) announce(standInBucket bool) {
	var missing, settings []string
	tell := w.tell
	if !w.realSecret {
		missing, settings = append(missing, tell.secrets), append(settings, "OMR_SECRET_ID")
	}
	if !w.realUpstream {
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
