package bucket

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"omr-relay/internal/awserror"
	"omr-relay/internal/problem"
)

// headSize tells what kind of file an upload is.
const headSize = 1 << 10

// Upload is a file that was uploaded, as it was when it was found: it is read with
// If-Match, and one that was written again since is an error. Its methods may be
// called while ctx of FindUpload lasts.
type Upload struct {
	// Size is how many bytes it has.
	Size int64
	// Head is its first kilobyte, or all of it.
	Head []byte

	bucket *Bucket
	ctx    context.Context //nolint:containedctx // io.ReaderAt has none
	key    *string
	etag   *string

	modified time.Time
}

// FindUpload returns a caller's upload, after one request. What is not there, not
// whole, older than a day, or another caller's is UploadNotFound.
func (b *Bucket) FindUpload(ctx context.Context, caller, id string) (*Upload, error) {
	if !validID(id) {
		return nil, errNotFound()
	}
	u, err := b.find(ctx, *uploadKey(caller, id))
	// The bucket's lifecycle takes it away some time later: until then it is as good as gone.
	if err == nil && !u.modified.IsZero() && time.Since(u.modified) > uploadLife {
		return nil, errNotFound()
	}
	return u, err
}

// uploadLife is how long an upload can be used.
const uploadLife = 24 * time.Hour

func (b *Bucket) find(ctx context.Context, key string) (*Upload, error) {
	u := &Upload{bucket: b, ctx: ctx, key: &key}
	out, head, err := b.get(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: u.key, Range: byteRange(0, headSize)}, headSize)
	switch {
	case awserror.Status(err) == statusRange:
		return u, nil // there are no bytes at all
	case err != nil:
		return nil, readFault(err)
	}
	u.Head, u.etag, u.Size, u.modified = head, out.ETag, totalOf(out), aws.ToTime(out.LastModified)
	if int64(len(u.Head)) != min(headSize, u.Size) {
		return nil, unavailable(errNotS3)
	}
	return u, nil
}

// ETag is the file's: of what was stored in one piece, its MD5.
func (u *Upload) ETag() string { return aws.ToString(u.etag) }

// ReadAt implements [io.ReaderAt], by a request for each call.
func (u *Upload) ReadAt(p []byte, off int64) (int, error) {
	if off >= u.Size || len(p) == 0 {
		return 0, io.EOF
	}
	body, err := u.from(u.ctx, off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer body.Close()
	n, err := io.ReadFull(body, p[:min(int64(len(p)), u.Size-off)])
	switch {
	case err != nil:
		return n, readFault(err)
	case n < len(p):
		return n, io.EOF
	}
	return n, nil
}

// from asks for the upload from off on: for n bytes, or all if n is 0.
func (u *Upload) from(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	in := &s3.GetObjectInput{Bucket: &u.bucket.name, Key: u.key, IfMatch: u.etag}
	left := u.Size - off
	if off > 0 || n > 0 {
		in.Range = byteRange(off, n)
	}
	if n > 0 {
		left = min(left, n)
	}
	out, err := u.bucket.client.GetObject(ctx, in)
	if err != nil {
		return nil, readFault(err)
	}
	if !holds(out, aws.ToString(u.etag), off, left, in.Range != nil) {
		_ = out.Body.Close()
		return nil, unavailable(errNotS3)
	}
	return out.Body, nil
}

// byteRange is a Range (RFC 9110 §14.1.2) of n bytes, or of all that follow.
func byteRange(off, n int64) *string {
	if n == 0 {
		return aws.String(fmt.Sprintf("bytes=%d-", off))
	}
	return aws.String(fmt.Sprintf("bytes=%d-%d", off, off+n-1))
}

// totalOf reads the size of the whole object out of an answer to a range.
func totalOf(out *s3.GetObjectOutput) int64 {
	if _, total, ok := strings.Cut(aws.ToString(out.ContentRange), "/"); ok {
		if n, err := strconv.ParseInt(total, 10, 64); err == nil {
			return n
		}
		return -1
	}
	return aws.ToInt64(out.ContentLength)
}

// validID reports whether id could be one that NewForm made.
func validID(id string) bool {
	raw, err := hex.DecodeString(id)
	return err == nil && len(raw) == 16 && strings.ToLower(id) == id
}

func errNotFound() error {
	return &problem.Error{Code: problem.UploadNotFound,
		Detail: "There is no such upload of this caller's: it was not sent whole, or is older than a day. POST /uploads gives a form for another one. Nothing was submitted."}
}
