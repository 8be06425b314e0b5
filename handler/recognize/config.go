package recognize

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"omr-relay/internal/idempotency"
)

// Config is what both need.
type Config struct {
	// Transport sends calls with the Bearer attached. Required.
	Transport http.RoundTripper
	// BaseURL is the upstream. Required.
	BaseURL *url.URL
	// FindUpload returns a scan that a caller uploaded, under the id that it was
	// given; nil where nothing can be uploaded. It blocks until ctx ends at the
	// latest, and the Upload may be read until then. Errors are [*problem.Error].
	FindUpload func(ctx context.Context, caller, id string) (Upload, error)
	// Ledger knows requests by their Idempotency-Key; nil where the header is
	// passed over.
	Ledger *idempotency.Ledger
}

// Upload is a scan that was uploaded before. What its methods return is of the file
// as it was when it was found; where it has changed, they fail. Their errors are
// [*problem.Error].
type Upload interface {
	// Size is how many bytes it has.
	Size() int64
	// Head is its first kilobyte, or all of it.
	Head() []byte
	// ReadAt reads a part, by a call to where the upload is.
	io.ReaderAt
	// Open returns all of it, once its first bytes are at hand.
	Open() (io.ReadCloser, error)
}
