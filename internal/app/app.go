// Package app builds the relay from its configuration, for cmd/relay and
// cmd/local alike.
package app

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"omr-relay/handler"
	"omr-relay/internal/bucket"
	"omr-relay/internal/budget"
	"omr-relay/internal/callrecord"
	"omr-relay/internal/config"
	"omr-relay/internal/lambdaruntime"
	"omr-relay/internal/token"
	"omr-relay/secrets"
)

// Hop names one of the relay's calls.
type Hop string

// The hops, in the order in which a first call makes them.
const (
	HopSecret   Hop = "secret"
	HopToken    Hop = "token"
	HopUpstream Hop = "upstream"
	// HopBucket is S3, where there is a bucket.
	HopBucket Hop = "bucket"
	// HopMachine is Step Functions, where there is a state machine.
	HopMachine Hop = "batches"
)

// Options are what Config, which is the user's, does not tell.
type Options struct {
	// AWS is the configuration of the Secrets Manager client.
	AWS aws.Config
	// Bucket is the configuration of the S3 client; nil is AWS.
	Bucket *aws.Config
	// Machine is the configuration of the Step Functions client; nil is AWS.
	Machine *aws.Config
	// Log takes JSON lines, one Write each, never two at once; nil is silent.
	Log io.Writer
	// Metrics has the numbers in the lines of invocations be metrics of CloudWatch's.
	Metrics bool
	// Wrap, if not nil, may decorate what sends the requests of a hop. It sees
	// requests with the secret or token in them.
	Wrap func(hop Hop, next http.RoundTripper) http.RoundTripper
}

// Relay is a relay ready to serve.
type Relay struct {
	Handler *handler.Handler
	Log     *slog.Logger
	// Upstream sends calls upstream, and attaches the Bearer: for who makes calls
	// of its own.
	Upstream http.RoundTripper
	// Tokens are those that Upstream attaches.
	Tokens handler.Tokens
	// Bucket is the one that is configured; nil is none.
	Bucket *bucket.Bucket

	tokens *token.Cache
	ahead  func(ctx context.Context) (end func()) // opens the connection for the first mint
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
	log := NewLogger(out, cfg.LogLevel)
	awsConfig := opts.AWS.Copy()
	if awsConfig.HTTPClient == nil {
		awsConfig.HTTPClient = newAWSClient()
	}
	if opts.Wrap != nil {
		awsConfig.HTTPClient = roundTripClient{wrap(HopSecret, clientRoundTripper{awsConfig.HTTPClient})}
	}
	awsConfig.HTTPClient = plainClient{awsConfig.HTTPClient}
	// Token and upstream are one host by default, and so share connections.
	secure := newTLSDialer()
	transport := newTransport(secure)
	tokens := token.NewCache(token.Config{
		Source:    secrets.NewStore(secretsmanager.NewFromConfig(awsConfig), cfg.SecretID, log),
		Endpoint:  cfg.TokenURL,
		Transport: wrap(HopToken, transport),
	})
	upstream := wrap(HopUpstream, secondTry{wholeRecords{transport}})
	ahead := func(context.Context) (end func()) { return func() {} }
	if opts.Wrap == nil { // which may send requests elsewhere
		ahead = func(ctx context.Context) (end func()) { return secure.ahead(ctx, cfg.TokenURL) }
	}
	relay := &token.Transport{Base: upstream, Cache: tokens}
	serving := handler.Config{
		BaseURL:        cfg.BaseURL,
		Relay:          relay,
		Connect:        upstream,
		Tokens:         tokens,
		WarmupInterval: cfg.WarmupInterval,
		Streaming:      cfg.Streaming,
		AllowOrigin:    cfg.AllowOrigin,
		Log:            log,
		Metrics:        opts.Metrics,
	}
	r := &Relay{Upstream: relay, Log: log, Tokens: tokens, tokens: tokens, ahead: ahead}
	if cfg.Bucket != "" {
		r.Bucket = newBucket(cfg, opts)
		serving = withBucket(serving, r.Bucket)
		if cfg.StateMachine != "" {
			serving = withBatches(serving, r.Bucket, cfg, opts)
		}
	}
	r.Handler = handler.New(serving)
	return r
}

// Respond is the Handler's Respond as [lambdaruntime.Handler] wants it.
func (r *Relay) Respond(ctx context.Context, event []byte) (lambdaruntime.Response, error) {
	response, err := r.Handler.Respond(ctx, event)
	if err != nil {
		return nil, err
	}
	return response, nil
}

// Invoke is the Handler's Invoke: it implements lambda.Handler.
func (r *Relay) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	return r.Handler.Invoke(ctx, event)
}

// Prefetch reads the secret and mints the first token, so that the first call
// finds it. The connection for the mint and the first call is opened while the
// secret is read; that it cannot be is no error, and not waited for. It blocks
// until ctx ends at the latest. After an error the first call tries afresh. What it
// did is in the log line of the first invocation.
// It must have been called, if at all, before the first invocation.
func (r *Relay) Prefetch(ctx context.Context) error {
	defer r.ahead(ctx)()
	ctx, record := callrecord.With(ctx)
	_, err := r.tokens.Ensure(ctx, 0)
	r.Handler.Prefetched(record.Minting)
	return err
}

// NewLogger returns a logger of JSON lines as Lambda's own log format has
// them, whatever AWS_LAMBDA_LOG_FORMAT says: the line is a contract.
func NewLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: lambdacontext.ReplaceAttr}))
}

// newTransport returns the transport of token and upstream calls. Deadlines of
// whole calls come with each request's context.
func newTransport(secure *tlsDialer) *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dial,
		DialTLSContext:      secure.dial, // straight to the host; through a proxy net/http does it itself
		TLSHandshakeTimeout: budget.TLSHandshake,
		TLSClientConfig:     secure.config,
		// A server that goes away says on HTTP/2 which calls it has not taken:
		// those POSTs are sent again instead of lost. HTTP/1.1 would carry a form
		// in 0.87 of the CPU and 0.8 of the time (internal/bench).
		ForceAttemptHTTP2: true,
		// A stream that times out leaves its HTTP/2 connection in use: one that
		// died without a word would fail every call, were it not asked.
		HTTP2: &http.HTTP2Config{SendPingTimeout: budget.Ping, PingTimeout: budget.Ping},
		// One invocation at a time is the rule; the few more serve
		// AWS_LAMBDA_MAX_CONCURRENCY.
		MaxIdleConnsPerHost: 8,
		// net/http goes by wall time: a thawed environment does not write to a
		// connection that died meanwhile.
		IdleConnTimeout: budget.Idle,
		// The answer's bytes go back as they come.
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// lineWriter serializes the log's lines: those of invocations, and what else there is.
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
