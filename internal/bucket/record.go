package bucket

import (
	"bytes"
	"context"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// maxRecord is far above any record.
const maxRecord = 64 << 10

// Records are those whose keys begin alike. They are safe for concurrent use, and their
// methods as those of the Bucket.
type Records struct {
	bucket *Bucket
	prefix string
}

// Records returns those under a prefix, which ends in a slash or is empty.
func (b *Bucket) Records(prefix string) Records { return Records{b, prefix} }

// ReadRecord returns a record of the relay's own requests.
func (b *Bucket) ReadRecord(ctx context.Context, key string) (data []byte, version string, err error) {
	return b.Records(records).ReadRecord(ctx, key)
}

// WriteRecord writes a record of the relay's own requests.
func (b *Bucket) WriteRecord(ctx context.Context, key string, data []byte, version string) (newVersion string, ok bool, err error) {
	return b.Records(records).WriteRecord(ctx, key, data, version)
}

// ReadRecord returns a record and its version. Of none the version is empty.
func (r Records) ReadRecord(ctx context.Context, key string) (data []byte, version string, err error) {
	b := r.bucket
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: new(r.prefix + key)})
	switch {
	case missing(err):
		return nil, "", nil
	case err != nil:
		return nil, "", unavailable(err)
	}
	defer out.Body.Close()
	if data, err = io.ReadAll(io.LimitReader(out.Body, maxRecord)); err != nil {
		return nil, "", unavailable(err)
	}
	return data, aws.ToString(out.ETag), nil
}

// WriteRecord writes a record if it is of that version still, or if there is none
// where version is empty. Where another one was written, ok is false; that may have
// been an attempt of this very call, whose answer was lost. S3's conditional writes:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
func (r Records) WriteRecord(ctx context.Context, key string, data []byte, version string) (newVersion string, ok bool, err error) {
	b := r.bucket
	in := &s3.PutObjectInput{
		Bucket: &b.name, Key: new(r.prefix + key), Body: bytes.NewReader(data), ContentType: new("application/json"),
	}
	if version == "" {
		in.IfNoneMatch = new("*")
	} else {
		in.IfMatch = &version
	}
	out, err := b.client.PutObject(ctx, in)
	switch {
	case lostRace(err), missing(err):
		return "", false, nil
	case err != nil:
		return "", false, unavailable(err)
	}
	return aws.ToString(out.ETag), true, nil
}
