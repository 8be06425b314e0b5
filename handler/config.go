package handler

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"omr-relay/handler/batches"
	"omr-relay/handler/gateway"
	"omr-relay/handler/recognize"
	"omr-relay/internal/callrecord"
	"omr-relay/internal/idempotency"
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
	// Streaming has Respond's answers to REST APIs and function URLs streamed.
	// Both must be set up for it: to others the format means nothing.
	Streaming bool
	// WarmupInterval is the time from one warm-up to the next.
	// The zero value means five minutes.
	WarmupInterval time.Duration
	// AllowOrigin is the one origin whose pages may call the relay from a browser;
	// empty is none.
	AllowOrigin string
	// NewUploadForm returns a form for one upload of a caller, by its digest; nil
	// where nothing can be uploaded. It blocks until ctx ends at the latest. Errors
	// are [*problem.Error].
	NewUploadForm func(ctx context.Context, caller string) (*UploadForm, error)
	// FindUpload and Ledger are package recognize's.
	FindUpload func(ctx context.Context, caller, id string) (recognize.Upload, error)
	Ledger     *idempotency.Ledger
	// Batches is what batches of scans are run by; nil where there are none.
	Batches *batches.Config
	// Log gets one line per invocation; nil is silent.
	Log *slog.Logger
	// Metrics has the numbers in those lines be metrics of CloudWatch's.
	Metrics bool
}

// UploadForm is what a scan is uploaded by: a POST to URL of multipart/form-data,
// the Fields first and the file last, as file.
type UploadForm struct {
	Upload  string            `json:"upload"` // its id
	URL     string            `json:"url"`
	Fields  map[string]string `json:"fields"`
	Expires time.Time         `json:"expires"`
	Curl    string            `json:"curl"` // the same as a command for a shell
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
// concurrent use. It keeps nothing of an event after its answer is done with.
type Handler struct {
	cfg  Config
	log  *slog.Logger
	cors cors

	served     atomic.Bool        // the first event has come
	prefetched callrecord.Minting // for its log line

	recognizer, generator tasks
	batches               tasks // nil where there are none
}

// tasks answers a capability whose work takes longer than a call: a request is
// submitted, and its result waited for or fetched later.
type tasks interface {
	Post(ctx context.Context, req *gateway.Request) (*gateway.Answer, error)
	Get(ctx context.Context, req *gateway.Request, id string) (*gateway.Answer, error)
	Delete(ctx context.Context, req *gateway.Request, id string) (*gateway.Answer, error)
}

// Prefetched tells what was done for a token before the first event: that one's log
// line has it. It must have been called, if at all, before that event.
func (h *Handler) Prefetched(did callrecord.Minting) { h.prefetched = did }

// New returns a Handler. It makes no call.
func New(cfg Config) *Handler {
	if cfg.WarmupInterval <= 0 {
		cfg.WarmupInterval = 5 * time.Minute
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	upstream := recognize.Config{Transport: cfg.Relay, BaseURL: cfg.BaseURL, FindUpload: cfg.FindUpload, Ledger: cfg.Ledger}
	h := &Handler{
		cfg: cfg, log: log, cors: cors{cfg.AllowOrigin},
		recognizer: recognize.NewRecognizer(upstream), generator: recognize.NewGenerator(upstream),
	}
	if cfg.Batches != nil {
		h.batches = batches.New(*cfg.Batches)
	}
	return h
}
