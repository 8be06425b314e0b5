// Package handler turns Lambda events into calls of the upstream and their
// answers into the events' answers. It knows neither AWS clients nor where
// credentials and tokens come from: those stand behind an [http.RoundTripper].
//
//	handler.go     Invoke: event in, answer out
//	event.go       which kind of event came
//	members.go     the event's members, read in place
//	event_rest.go  REST API (payload 1.0) → request
//	event_http.go  HTTP API and function URL (payload 2.0) → request
//	path.go        where the path begins, and which paths are refused
//	route.go       which capability a request asks for
//	headers.go     what is forwarded each way
//	upstream.go    the relayed call
//	relaytoken.go  a token request → the caller's own key
//	answer.go      an answer → what Lambda returns
//	stream.go      an answer sent on as it arrives
//	problem.go     failures → problem documents, one table
//	warmup.go      the scheduled ping
//	caller.go      who is calling
//	scratch.go     buffers kept from one invocation to the next
//	log.go         the one log line
package handler

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/metric"
	"omr-relay/internal/problem"
)

// Config is what a Handler needs. BaseURL, Relay, Connect and Tokens are required.
type Config struct {
	// BaseURL is the upstream; a relayed path is put after its path.
	BaseURL *url.URL
	// Relay sends calls with the Bearer attached.
	Relay http.RoundTripper
	// Connect sends a request without one, over the same connections.
	Connect http.RoundTripper
	// Tokens is asked by warm-ups.
	Tokens Tokens
	// Streaming has answers to REST APIs and function URLs streamed by Serve.
	// Both must be set up for it: to others the format means nothing.
	Streaming bool
	// WarmupInterval is the time from one warm-up to the next.
	// The zero value means five minutes.
	WarmupInterval time.Duration
	// Log gets one line per invocation; nil is silent.
	Log *slog.Logger
	// Metrics gets lines in CloudWatch's embedded metric format; nil is none.
	// Write is called with one whole line at a time.
	Metrics io.Writer
}

// Tokens keeps the access token.
type Tokens interface {
	// Ensure makes sure that the token lives for d from now if the token
	// service allows, and returns how long it will live. It blocks until ctx
	// ends at the latest. After an error the first result says how long the
	// present token still lives.
	Ensure(ctx context.Context, d time.Duration) (time.Duration, error)
}

// Handler serves invocations. It implements lambda.Handler and is safe for
// concurrent use. It keeps nothing of an event after Invoke has returned.
type Handler struct {
	cfg     Config
	log     *slog.Logger
	metrics metric.Counter
}

// New returns a Handler. It makes no call.
func New(cfg Config) *Handler {
	if cfg.WarmupInterval <= 0 {
		cfg.WarmupInterval = 5 * time.Minute
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Handler{cfg: cfg, log: log, metrics: metric.Counter{W: cfg.Metrics}}
}

// invocation is what is known of the one at hand; its log line is made of it.
type invocation struct {
	id     string // the Lambda request id
	began  time.Time
	event  *event
	route  route
	answer *answer
	err    error         // why the relay itself answered, or failed
	out    *outlet       // where the answer is streamed to; nil if it is not
	reply  *scratch      // what the answer's body lies in, if it is the upstream's
	call   time.Duration // spent on the upstream, waiting for a token included
	token  *callrecord.Record
}

// release lets go of the buffers. Readers that are not closed yet keep theirs.
func (inv *invocation) release() {
	if inv.event != nil && inv.event.request != nil && inv.event.request.body != nil {
		inv.event.request.body.release()
	}
	if inv.reply != nil {
		inv.reply.release()
	}
}

// Invoke implements lambda.Handler by Serve. It streams nothing.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return h.Serve(ctx, payload, nil, nil)
}

// Serve serves one event: an HTTP event with an answer for its caller, a
// warm-up with a report. Anything else is an error that names what came, and
// no call is made for it. The answer is appended to dst, or written to stream if
// answers of this kind are streamed and stream is not nil; then an error means
// that the answer broke off. Serve returns before ctx's deadline, less a reserve
// to carry the answer out, if stream keeps up, and neither changes payload nor
// keeps it.
func (h *Handler) Serve(ctx context.Context, payload, dst []byte, stream io.Writer) (out []byte, err error) {
	inv := &invocation{id: requestID(ctx), began: time.Now()}
	ctx, cancel := withinBudget(ctx)
	defer cancel()
	ctx, inv.token = callrecord.With(ctx)
	defer func() {
		if cause := recover(); cause != nil {
			out, err = h.recovered(inv, cause, dst)
		}
		h.logInvocation(ctx, inv)
		inv.release()
	}()
	if inv.event, inv.err = decode(payload); inv.err != nil {
		return nil, inv.err
	}
	if inv.event.warmup() {
		return append(dst, h.warmUp(ctx, inv)...), nil
	}
	if h.cfg.Streaming && stream != nil && inv.event.kind.streams() {
		inv.out = &outlet{to: stream}
	}
	if inv.err = h.serve(ctx, inv); inv.err != nil && !inv.out.begun() {
		inv.answer = problemAnswer(inv.err, inv.id)
	}
	return h.deliver(inv, dst)
}

// deliver carries the answer out, unless it was streamed as it came.
func (h *Handler) deliver(inv *invocation, dst []byte) ([]byte, error) {
	if inv.out == nil {
		return h.encode(inv, dst), nil
	}
	if inv.out.begun() {
		return nil, inv.err // why it broke off, if it did
	}
	if err := inv.sendWhole(); err != nil {
		inv.err = err
		return nil, err
	}
	return nil, nil
}

// serve answers an HTTP event, or returns why the relay will not.
func (h *Handler) serve(ctx context.Context, inv *invocation) error {
	req := inv.event.request
	if inv.event.size > maxPayload {
		return &problem.Error{Code: problem.PayloadTooLarge, Detail: "The request is larger than the 6 MB that Lambda takes."}
	}
	target, err := cleanPath(req.path)
	if err != nil {
		return err
	}
	if inv.route, err = findRoute(req.method, target); err != nil {
		return err
	}
	switch inv.route {
	case routeHealth:
		inv.answer = healthy()
		return nil
	case routeToken:
		inv.answer = relayToken(req)
		return nil
	default:
		if req.err != nil {
			return req.err
		}
		return h.relay(ctx, inv, target)
	}
}

// withinBudget keeps a reserve of the invocation's time to carry the answer
// out: a slow upstream becomes an answer of ours and never Lambda's timeout.
func withinBudget(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithTimeout(ctx, defaultBudget)
	}
	reserve := min(maxReserve, time.Until(deadline)/10)
	return context.WithDeadline(ctx, deadline.Add(-reserve))
}

const (
	// defaultBudget is for a context without a deadline: API Gateway's limit.
	defaultBudget = 29 * time.Second
	// maxReserve covers encoding a 6 MB answer on the smallest function.
	maxReserve = 500 * time.Millisecond
)

func requestID(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.AwsRequestID
	}
	return ""
}
