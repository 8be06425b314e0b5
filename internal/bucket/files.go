package bucket

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"omr-relay/internal/problem"
)

// Files is the bucket as a batch sees it: objects by their keys. What is missing is
// [fs.ErrNotExist]. It is safe for concurrent use.
type Files struct{ bucket *Bucket }

// Files returns the bucket's.
func (b *Bucket) Files() Files { return Files{b} }

// Read returns an object and its size. Reading it blocks until ctx ends at the latest.
func (f Files) Read(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	out, err := f.bucket.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &f.bucket.name, Key: &key})
	if err != nil {
		return nil, 0, fileFault(err)
	}
	return out.Body, aws.ToInt64(out.ContentLength), nil
}

// Find returns an object that is read as it is now, and again if need be.
func (f Files) Find(ctx context.Context, key string) (*Upload, error) {
	u, err := f.bucket.find(ctx, key)
	if e, ok := errors.AsType[*problem.Error](err); ok && e.Code == problem.UploadNotFound {
		return nil, fs.ErrNotExist
	}
	return u, err
}

// Write stores an object whole, or not at all. body is read from its beginning.
func (f Files) Write(ctx context.Context, key string, body io.ReadSeeker, contentType string) error {
	_, err := f.put(ctx, &s3.PutObjectInput{Key: &key, Body: body, ContentType: &contentType})
	return err
}

// Create is Write where there is no object yet. Where there is one, created is false;
// that may have been an attempt of this very call, whose answer was lost.
func (f Files) Create(ctx context.Context, key string, body io.ReadSeeker, contentType string) (created bool, err error) {
	return f.put(ctx, &s3.PutObjectInput{Key: &key, Body: body, ContentType: &contentType, IfNoneMatch: new("*")})
}

func (f Files) put(ctx context.Context, in *s3.PutObjectInput) (written bool, err error) {
	in.Bucket = &f.bucket.name
	out, err := f.bucket.client.PutObject(ctx, in)
	switch {
	case in.IfNoneMatch != nil && lostRace(err):
		return false, nil
	case err == nil && aws.ToString(out.ETag) == "":
		err = errNotS3 // nobody knows that it was written
	}
	return err == nil, fileFault(err)
}

// Copy copies an object within S3, as it was when it was found, and nothing that was said
// about it: a name may stand in its metadata, and tags need permissions of their own.
func (f Files) Copy(ctx context.Context, from *Upload, to string) error {
	_, err := f.bucket.client.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: &f.bucket.name, Key: &to, CopySource: new(f.bucket.name + "/" + escaped(*from.key)), CopySourceIfMatch: from.etag,
		MetadataDirective: types.MetadataDirectiveReplace, TaggingDirective: types.TaggingDirectiveReplace, ContentType: new("application/octet-stream"),
	})
	return fileFault(err)
}

// Renew has an object that is older than age count as one that was written now: the
// bucket's lifecycle goes by that. S3 copies an object onto itself where what is said about
// it is replaced.
func (f Files) Renew(ctx context.Context, key string, age time.Duration) error {
	found, err := f.Find(ctx, key)
	if err != nil || time.Since(found.modified) < age {
		return err
	}
	return f.Copy(ctx, found, key)
}

// escaped is a key in a header. S3 takes a plus for a space.
func escaped(key string) string {
	return strings.ReplaceAll((&url.URL{Path: key}).EscapedPath(), "+", "%2B")
}

// Entry is an object as a listing has it.
type Entry struct {
	Key  string
	Size int64
	ETag string // of what was stored in one piece, its MD5
}

// List calls yield with each object under a prefix, in the order of their keys, until
// it returns an error.
func (f Files) List(ctx context.Context, prefix string, yield func(Entry) error) error {
	pages := s3.NewListObjectsV2Paginator(f.bucket.client, &s3.ListObjectsV2Input{Bucket: &f.bucket.name, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fileFault(err)
		}
		for _, o := range page.Contents {
			if err := yield(Entry{Key: aws.ToString(o.Key), Size: aws.ToInt64(o.Size), ETag: aws.ToString(o.ETag)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Remove erases objects, 1000 at most. What is not there is erased.
func (f Files) Remove(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	objects := make([]types.ObjectIdentifier, len(keys))
	for i := range keys {
		objects[i].Key = &keys[i]
	}
	out, err := f.bucket.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &f.bucket.name, Delete: &types.Delete{Objects: objects, Quiet: new(true)}})
	if err == nil && len(out.Errors) > 0 {
		err = errNotErased
	}
	return fileFault(err)
}

var errNotErased = errors.New("some objects were not erased")

// LinkLife is how long a link can be followed.
const LinkLife = 5 * time.Minute

// Link returns a URL by which whoever has it may read one object, under a name of its
// own. It makes no call.
func (f Files) Link(ctx context.Context, key, name string) (string, error) {
	signed, err := s3.NewPresignClient(f.bucket.client).PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket: &f.bucket.name, Key: &key, ResponseContentDisposition: new(`attachment; filename="` + name + `"`),
	}, s3.WithPresignExpires(LinkLife))
	if err != nil {
		return "", unavailable(err)
	}
	return signed.URL, nil
}

func fileFault(err error) error {
	switch {
	case err == nil:
		return nil
	case missing(err):
		return fs.ErrNotExist
	}
	return unavailable(err)
}
