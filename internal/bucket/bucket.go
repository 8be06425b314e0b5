// Package bucket keeps in Amazon S3 what is too large for a call, or must outlive
// one: uploaded scans, and records of what was submitted.
//
// Each file uses those below it:
//
//	form.go    an upload's form, presigned: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-UsingHTTPPOST.html
//	upload.go  an upload, found and read as it was then
//	stream.go  the bytes of an upload, from its beginning
//	record.go  small objects, written only where nobody else wrote before
//	object.go  an object, or a part of it, that is S3's without doubt
//	fault.go   what an error of S3's means
//	bucket.go  the bucket and its keys
//
// Keys are made of hexadecimal digits alone: nothing that a person named is in
// them, for keys stand in S3's own logs.
package bucket

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// What keys begin with. The template's lifecycle and the function's permissions
// know them, too.
const (
	uploads = "uploads/"
	records = "idempotency/"
)

// Bucket is one of S3's. It is safe for concurrent use.
//
// Its methods block until ctx ends at the latest. Every error is a
// [*problem.Error].
type Bucket struct {
	client    *s3.Client
	name      string
	maxUpload int64
}

// New returns the bucket with that name, whose uploads have maxUpload bytes at
// most. It makes no call.
func New(cfg aws.Config, name string, maxUpload int64) *Bucket {
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		// An endpoint of one's own has no host for each bucket.
		o.UsePathStyle = o.BaseEndpoint != nil
		// TLS and the signature keep what is sent and read from being changed.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		// The SDK's default pauses may take longer than an invocation has.
		if cfg.Retryer == nil {
			o.Retryer = retry.NewStandard(func(s *retry.StandardOptions) { s.MaxBackoff = maxBackoff })
		}
	})
	return &Bucket{client: client, name: name, maxUpload: maxUpload}
}

const maxBackoff = 500 * time.Millisecond
