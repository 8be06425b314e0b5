package faultmatrix

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"omr-relay/internal/app"
	"omr-relay/internal/config"
	"omr-relay/internal/sandbox"
)

// roundTrip is a RoundTripper that is a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// virtual is the relay between three services without sockets, for a
// testing/synctest bubble.
type virtual struct {
	t     *testing.T
	world *world
	relay *app.Relay
	out   output
	hops  map[app.Hop]http.RoundTripper // may be changed between invocations
}

func newVirtual(t *testing.T) *virtual {
	t.Helper()
	w := newWorld()
	v := &virtual{t: t, world: w, hops: map[app.Hop]http.RoundTripper{
		app.HopSecret:   sandbox.InProcess(&w.secrets),
		app.HopToken:    sandbox.InProcess(http.HandlerFunc(w.mint)),
		app.HopUpstream: sandbox.InProcess(http.HandlerFunc(w.echo)),
	}}
	v.relay = app.New(virtualConfig(t, secretID), app.Options{
		AWS: virtualAWS(), Log: &v.out, Metrics: true,
		Wrap: func(hop app.Hop, _ http.RoundTripper) http.RoundTripper {
			return roundTrip(func(req *http.Request) (*http.Response, error) { return v.hops[hop].RoundTrip(req) })
		},
	})
	return v
}

func virtualConfig(t *testing.T, secret string) config.Config {
	t.Helper()
	settings := map[string]string{"OMR_SECRET_ID": secret, "OMR_BASE_URL": "https://upstream.test"}
	cfg, err := config.FromEnv(func(name string) string { return settings[name] })
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func virtualAWS() aws.Config {
	endpoint := "https://secrets.test"
	return aws.Config{
		Region:       "eu-west-1",
		Credentials:  credentials.NewStaticCredentialsProvider("AKIAFAULTS", awsSecretKey, awsSession),
		BaseEndpoint: &endpoint,
	}
}

// invoke sends one event through the handler.
func (v *virtual) invoke(kind, id string, deadline time.Duration) outcome {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), deadline)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: id})
	began := time.Now()
	payload, err := v.relay.Handler.Invoke(ctx, event(kind, id))
	if err != nil {
		v.t.Fatalf("%s: %v", kind, err)
	}
	o, err := read(kind, id, payload)
	if err != nil {
		v.t.Errorf("%s: %v in %s", kind, err, payload)
	}
	o.took = time.Since(began)
	return o
}

func (v *virtual) want(kind, id, want string) {
	v.t.Helper()
	if got := v.invoke(kind, id, patient); got.text != want {
		v.t.Errorf("%s %s: answered %s, want %s", id, kind, got.text, want)
	}
}

// answering is a service that says the same to everyone.
func answering(status int, header http.Header, body string) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: header, ContentLength: int64(len(body)),
			Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
	})
}
