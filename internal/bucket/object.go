package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"omr-relay/internal/problem"
)

// getTries is how often a small object is asked for whose answer breaks off. The
// SDK asks again only for one that does not begin.
const getTries = 2

// get reads a small object, or a part of one, which has max bytes at most. Its
// errors are the SDK's or errNotS3.
func (b *Bucket) get(ctx context.Context, in *s3.GetObjectInput, maxBytes int64) (*s3.GetObjectOutput, []byte, error) {
	for tries := 1; ; tries++ {
		out, err := b.client.GetObject(ctx, in)
		if err != nil {
			return nil, nil, err
		}
		data, err := whole(out, maxBytes)
		if err == nil {
			return out, data, nil
		}
		if tries == getTries || errors.Is(err, errNotS3) || ctx.Err() != nil {
			return nil, nil, err
		}
	}
}

func whole(out *s3.GetObjectOutput, maxBytes int64) ([]byte, error) {
	defer out.Body.Close()
	size := aws.ToInt64(out.ContentLength)
	if aws.ToString(out.ETag) == "" || out.ContentLength == nil || out.ContentEncoding != nil || size < 0 || size > maxBytes {
		return nil, errNotS3
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(out.Body, data); err != nil {
		return nil, fmt.Errorf("reading an object: %w", err)
	}
	return data, nil
}

// holds reports whether an answer has n bytes of the object of that ETag, from off
// on: S3 says so, and whatever else may stand in its place, a cache or the page of
// a proxy, must not be taken for a scan.
func holds(out *s3.GetObjectOutput, etag string, off, n int64, part bool) bool {
	return aws.ToString(out.ETag) == etag && aws.ToInt64(out.ContentLength) == n && out.ContentEncoding == nil &&
		(!part || strings.HasPrefix(aws.ToString(out.ContentRange), fmt.Sprintf("bytes %d-", off)))
}

// errNotS3 is for what is answered with success, and cannot be of S3.
const errNotS3 = problem.Constant("the answer is not one of S3's")
