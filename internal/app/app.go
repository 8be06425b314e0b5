// Package app builds the relay from its configuration, for cmd/relay and
// cmd/local alike.
package app

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"omr-relay/handler"
	"omr-relay/internal/config"
	"omr-relay/internal/metric"
	"omr-relay/internal/token"
	"omr-relay/secrets"
)

// Hop names one of the relay's three calls.
type Hop string

// The hops, in the order in which a first call makes them.
const (
	HopSecret   Hop = "secret"
	HopToken    Hop = "token"
	HopUpstream Hop = "upstream"
)

// Options are what Config, which is the user's, does not tell.
type Options struct {
	// AWS is the configuration of the Secrets Manager client.
	AWS aws.Config
	// Log takes JSON lines, one Write each, never two at once; nil is silent.
	Log io.Writer
	// Metrics has metrics written to Log as well.
	Metrics bool
	// Wrap, if not nil, may decorate what sends the requests of a hop. It sees
	// requests with the secret or token in them.
	Wrap func(hop Hop, next http.RoundTripper) http.RoundTripper
}

// Relay is a relay ready to serve.
type Relay struct {
	Handler *handler.Handler
	Log     *slog.Logger

	tokens *token.Cache
	ahead  func() // opens connections for the first calls, once
}

// New builds a Relay. It makes no call.
func New(cfg config.Config, opts Options) *Relay {
	out := io.Discard
	if opts.Log != nil {
		out = &lineWriter{w: opts.Log}
	}
	wrap := opts.Wrap
	if wrap == nil {
		wrap = func(_ Hop, next http.RoundTripper) http.RoundTripper { return next }
	}
	var metrics io.Writer
	if opts.Metrics {
		metrics = out
	}
	log := NewLogger(out, cfg.LogLevel)
	awsConfig := opts.AWS.Copy()
	if awsConfig.HTTPClient == nil {
		awsConfig.HTTPClient = newAWSClient()
	}
	if opts.Wrap != nil {
		awsConfig.HTTPClient = roundTripClient{wrap(HopSecret, clientRoundTripper{awsConfig.HTTPClient})}
	}
	awsConfig.HTTPClient = cappedClient{awsConfig.HTTPClient}
	// Token and upstream are one host by default, and so share connections.
	transport := newTransport()
	tokens := token.NewCache(token.Config{
		Source:    secrets.NewStore(secretsmanager.NewFromConfig(awsConfig), cfg.SecretID, log),
		Endpoint:  cfg.TokenURL,
		Transport: wrap(HopToken, transport),
		Minted:    func() { metric.Counter{W: metrics}.Count("TokenMints", 1) },
	})
	upstream := wrap(HopUpstream, secondTry{wholeRecords{transport}})
	ahead := func() {}
	if opts.Wrap == nil { // which may send requests elsewhere
		ahead = sync.OnceFunc(func() { connectAhead(transport, cfg.TokenURL, cfg.BaseURL) })
	}
	return &Relay{
		Handler: handler.New(handler.Config{
			BaseURL:        cfg.BaseURL,
			Relay:          &token.Transport{Base: upstream, Cache: tokens},
			Connect:        upstream,
			Tokens:         tokens,
			WarmupInterval: cfg.WarmupInterval,
			Streaming:      cfg.Streaming,
			Log:            log,
			Metrics:        metrics,
		}),
		Log:    log,
		tokens: tokens,
		ahead:  ahead,
	}
}

// Prefetch reads the secret and mints the first token, so that the first call
// finds it. The connection for the mint and the first call is opened while the
// secret is read; that it cannot be is no error, and not waited for. It blocks
// until ctx ends at the latest. After an error the first call tries afresh.
// It must have been called, if at all, before the first invocation.
func (r *Relay) Prefetch(ctx context.Context) error {
	r.ahead()
	_, err := r.tokens.Ensure(ctx, 0)
	return err
}

// NewLogger returns a logger of JSON lines as Lambda's own log format has
// them, whatever AWS_LAMBDA_LOG_FORMAT says: the line is a contract.
func NewLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: lambdacontext.ReplaceAttr}))
}

// newTransport returns the transport of token and upstream calls. Deadlines of
// whole calls come with each request's context.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dial,
		TLSHandshakeTimeout: 5 * time.Second,
		// Resumed sessions spare most of a handshake after a freeze.
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(8)},
		// A server that goes away says on HTTP/2 which calls it has not taken:
		// those POSTs are sent again instead of lost. HTTP/1.1 would carry a form
		// in 0.87 of the CPU and 0.8 of the time (internal/bench).
		ForceAttemptHTTP2: true,
		// A stream that times out leaves its HTTP/2 connection in use: one that
		// died without a word would fail every call, were it not asked.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 5 * time.Second, PingTimeout: 5 * time.Second},
		// One invocation at a time is the rule; the few more serve
		// AWS_LAMBDA_MAX_CONCURRENCY.
		MaxIdleConnsPerHost: 8,
		// Connections die unnoticed while the environment is frozen. This is
		// shorter than a server's usual patience, and net/http goes by wall
		// time, so that a thawed environment does not write to a dead one.
		IdleConnTimeout: 30 * time.Second,
		// The answer's bytes go back as they come.
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// lineWriter serializes the log's and the metrics' lines.
type lineWriter struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

func (l *lineWriter) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(line)
}

// clientRoundTripper and roundTripClient let Wrap see the AWS SDK's requests
// and leave its own client, with all that was configured for it, in place.
type (
	clientRoundTripper struct{ client aws.HTTPClient }
	roundTripClient    struct{ next http.RoundTripper }
)

func (c clientRoundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	return c.client.Do(req)
}

func (c roundTripClient) Do(req *http.Request) (*http.Response, error) {
	return c.next.RoundTrip(req)
}
