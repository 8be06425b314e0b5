package app

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"omr-relay/handler"
	"omr-relay/handler/recognize"
	"omr-relay/internal/bucket"
	"omr-relay/internal/budget"
	"omr-relay/internal/config"
	"omr-relay/internal/httpanswer"
	"omr-relay/internal/idempotency"
)

// withBucket gives the handler what it does through a bucket.
func withBucket(cfg handler.Config, b *bucket.Bucket) handler.Config {
	cfg.NewUploadForm = func(ctx context.Context, caller string) (*handler.UploadForm, error) {
		form, err := b.NewForm(ctx, caller)
		if err != nil {
			return nil, err
		}
		return &handler.UploadForm{Upload: form.Upload, URL: form.URL, Fields: form.Fields, Expires: form.Expires}, nil
	}
	cfg.FindUpload = func(ctx context.Context, caller, id string) (recognize.Upload, error) {
		found, err := b.FindUpload(ctx, caller, id)
		if err != nil {
			return nil, err
		}
		return upload{found}, nil
	}
	cfg.Ledger = &idempotency.Ledger{Store: b}
	return cfg
}

// upload is a bucket's as package recognize wants it.
type upload struct{ found *bucket.Upload }

func (u upload) Size() int64                             { return u.found.Size }
func (u upload) Head() []byte                            { return u.found.Head }
func (u upload) ReadAt(p []byte, off int64) (int, error) { return u.found.ReadAt(p, off) }
func (u upload) Open() (io.ReadCloser, error)            { return u.found.Open() }

// newBucketClient returns a client with the SDK's own transport for S3, whose answers
// may be long: what is limited is how long they let wait for their beginning. It
// follows no redirect, as the SDK's client does: what another host says is not S3's.
func newBucketClient() aws.HTTPClient {
	return roundTripClient{awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = budget.Dial }).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSHandshakeTimeout = budget.TLSHandshake
			t.ResponseHeaderTimeout = budget.BucketAnswer
			t.IdleConnTimeout = budget.Idle
			t.DisableCompression = true // an object is what was stored
		}).GetTransport()}
}

// maxBucketError is far above any error of S3's.
const maxBucketError = 1 << 20

// finalClient takes final answers only: the SDK would read on for ever from the
// connection that comes with 101. Nor may an error fill the memory: the SDK reads all
// of it. It leaves Range alone, which plainClient does not, and which S3's signature
// covers.
type finalClient struct{ next aws.HTTPClient }

// Do implements [aws.HTTPClient].
func (c finalClient) Do(req *http.Request) (*http.Response, error) {
	watch := new(httpanswer.Watch)
	resp, err := watch.Final(c.next.Do(req.Clone(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{Got1xxResponse: watch.Got1xx}))))
	if err == nil && resp.StatusCode >= http.StatusMultipleChoices {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxBucketError)
	}
	return resp, err
}

// newBucket returns the bucket that is configured.
func newBucket(cfg config.Config, opts Options) *bucket.Bucket {
	awsConfig := opts.AWS.Copy()
	awsConfig.HTTPClient = nil // which is for answers that are short
	if opts.Bucket != nil {
		awsConfig = opts.Bucket.Copy()
	}
	if awsConfig.HTTPClient == nil {
		awsConfig.HTTPClient = newBucketClient()
	}
	if opts.Wrap != nil {
		awsConfig.HTTPClient = roundTripClient{opts.Wrap(HopBucket, clientRoundTripper{awsConfig.HTTPClient})}
	}
	awsConfig.HTTPClient = finalClient{awsConfig.HTTPClient}
	return bucket.New(awsConfig, cfg.Bucket, cfg.MaxUpload)
}
