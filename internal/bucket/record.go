package bucket

import (
	"bytes"
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// maxRecord is far above any record.
const maxRecord = 64 << 10

// ReadRecord returns a record and its version. Of none the version is empty.
func (b *Bucket) ReadRecord(ctx context.Context, key string) (data []byte, version string, err error) {
	out, data, err := b.get(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: new(records + key)}, maxRecord)
	switch {
	case missing(err):
		return nil, "", nil
	case err != nil:
		return nil, "", recordFault(err)
	}
	return data, aws.ToString(out.ETag), nil
}

// WriteRecord writes a record if it is of that version still, or if there is none
// where version is empty. Where another one was written, ok is false; that may have
// been an attempt of this very call, whose answer was lost. S3's conditional writes:
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
func (b *Bucket) WriteRecord(ctx context.Context, key string, data []byte, version string) (newVersion string, ok bool, err error) {
	in := &s3.PutObjectInput{
		Bucket: &b.name, Key: new(records + key), Body: bytes.NewReader(data), ContentType: new("application/json"),
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
		return "", false, recordFault(err)
	case aws.ToString(out.ETag) == "":
		return "", false, recordFault(errNotS3) // nobody knows that it was written
	}
	return *out.ETag, true, nil
}
