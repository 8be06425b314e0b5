package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"omr-relay/internal/sandbox"
)

// bucket is a stand-in on a loopback port, with a clock that a test moves and a
// client that signs as the stand-in expects.
type bucket struct {
	*sandbox.S3
	url    string
	client *s3.Client

	mu    sync.Mutex // guards ahead
	ahead time.Duration
}

func newBucket(t *testing.T, s *sandbox.S3) *bucket {
	t.Helper()
	b := &bucket{S3: s}
	s.Now = func() time.Time {
		b.mu.Lock()
		defer b.mu.Unlock()
		return time.Now().Add(b.ahead)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	b.url = srv.URL
	keys := s.Credentials
	if keys.AccessKeyID == "" {
		keys.AccessKeyID, keys.SecretAccessKey = sandbox.DefaultAccessKeyID, sandbox.DefaultSecretAccessKey
	}
	b.client = clientOf(b.url, http.DefaultClient, keys)
	return b
}

func clientOf(url string, client aws.HTTPClient, keys aws.Credentials) *s3.Client {
	return s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &url, UsePathStyle: true, RetryMaxAttempts: 1, HTTPClient: client,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
		Credentials:                credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken),
	})
}

func (b *bucket) moveClock(by time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ahead += by
}

func (b *bucket) put(ctx context.Context, key, body string, change ...func(*s3.PutObjectInput)) (*s3.PutObjectOutput, error) {
	in := &s3.PutObjectInput{Bucket: aws.String(sandbox.DefaultBucket), Key: &key, Body: strings.NewReader(body)}
	for _, f := range change {
		f(in)
	}
	return b.client.PutObject(ctx, in)
}

func (b *bucket) get(ctx context.Context, key string, change ...func(*s3.GetObjectInput)) (*s3.GetObjectOutput, string, error) {
	in := &s3.GetObjectInput{Bucket: aws.String(sandbox.DefaultBucket), Key: &key}
	for _, f := range change {
		f(in)
	}
	out, err := b.client.GetObject(ctx, in)
	if err != nil {
		return nil, "", err
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	return out, string(body), err
}

// wantS3 compares an error with "status code", as the SDK sees both; "" wants
// none.
func wantS3(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		api, _ := errors.AsType[smithy.APIError](err)
		status, _ := errors.AsType[interface {
			error
			HTTPStatusCode() int
		}](err)
		if api == nil || status == nil {
			t.Fatalf("err = %v, want one of the service's", err)
		}
		got = fmt.Sprintf("%d %s", status.HTTPStatusCode(), api.ErrorCode())
	}
	if got != want {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
}

func TestS3ObjectsAsTheSDKSeesThem(t *testing.T) {
	b := newBucket(t, &sandbox.S3{})
	ctx := t.Context()
	const key = "uploads/a b+c/ü%2F.bin"
	put, err := b.put(ctx, key, "0123456789", func(in *s3.PutObjectInput) { in.ContentType = aws.String("image/png") })
	wantS3(t, err, "")

	out, body, err := b.get(ctx, key)
	wantS3(t, err, "")
	if body != "0123456789" || *out.ETag != *put.ETag || *out.ContentType != "image/png" || *out.ContentLength != 10 || out.ChecksumCRC64NVME == nil {
		t.Errorf("got %q, %+v", body, out)
	}
	head, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(sandbox.DefaultBucket), Key: aws.String(key)})
	wantS3(t, err, "")
	if *head.ETag != *put.ETag || *head.ContentLength != 10 || time.Since(*head.LastModified) > time.Hour {
		t.Errorf("head: %+v", head)
	}
	if _, _, err := b.get(ctx, "uploads/none"); err == nil {
		t.Error("a missing key was there")
	} else {
		wantS3(t, err, "404 NoSuchKey")
	}
	_, err = b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(sandbox.DefaultBucket), Key: aws.String("none")})
	wantS3(t, err, "404 NotFound")
	_, err = b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("another-bucket"), Key: aws.String(key)})
	wantS3(t, err, "404 NoSuchBucket")
	_, err = b.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(sandbox.DefaultBucket)})
	wantS3(t, err, "")

	// An object has nothing of the one before it.
	_, err = b.put(ctx, key, "")
	wantS3(t, err, "")
	if out, body, err = b.get(ctx, key); err != nil || body != "" || *out.ContentType != "application/octet-stream" {
		t.Errorf("replaced: %q, %+v, %v", body, out, err)
	}
	_, err = b.put(ctx, key, "0123456789", func(in *s3.PutObjectInput) { in.ChecksumCRC32 = aws.String("AAAAAA==") })
	wantS3(t, err, "400 BadDigest")
	_, err = b.put(ctx, key, "0123456789", func(in *s3.PutObjectInput) { in.ContentMD5 = aws.String("AAAAAAAAAAAAAAAAAAAAAA==") })
	wantS3(t, err, "400 BadDigest")
	for range 2 { // deleting what is not there is no error
		_, err = b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(sandbox.DefaultBucket), Key: aws.String(key)})
		wantS3(t, err, "")
	}
	if keys := b.Keys(); len(keys) != 0 {
		t.Errorf("left: %q", keys)
	}
}

func TestS3Looks(t *testing.T) {
	b := newBucket(t, &sandbox.S3{})
	data := []byte("mine")
	b.SetObject("b", data)
	b.SetObject("a", nil)
	data[0] = 'X'
	if got, ok := b.Object("b"); !ok || string(got) != "mine" {
		t.Errorf("got %q, %t", got, ok)
	}
	if got, ok := b.Object("c"); ok {
		t.Errorf("got %q", got)
	}
	b.RemoveObject("a")
	b.RemoveObject("c")
	if keys := b.Keys(); !slices.Equal(keys, []string{"b"}) {
		t.Errorf("keys %q", keys)
	}
	if out, body, err := b.get(t.Context(), "b"); err != nil || body != "mine" || *out.ContentType != "binary/octet-stream" {
		t.Errorf("got %q, %+v, %v", body, out, err)
	}
}

func TestS3Conditions(t *testing.T) {
	b := newBucket(t, &sandbox.S3{})
	ctx := t.Context()
	first, err := b.put(ctx, "key", "first")
	wantS3(t, err, "")
	second, err := b.put(ctx, "key", "second!")
	wantS3(t, err, "")

	for _, tt := range []struct {
		name, key, ifMatch, byteRange string
		want, body, contentRange      string
	}{
		{name: "match", key: "key", ifMatch: *second.ETag, body: "second!"},
		{name: "match without quotes", key: "key", ifMatch: strings.Trim(*second.ETag, `"`), body: "second!"},
		{name: "changed", key: "key", ifMatch: *first.ETag, want: "412 PreconditionFailed"},
		{name: "missing", key: "none", ifMatch: *first.ETag, want: "404 NoSuchKey"},
		{name: "range", key: "key", byteRange: "bytes=1-3", body: "eco", contentRange: "bytes 1-3/7"},
		{name: "open range", key: "key", byteRange: "bytes=5-", body: "d!", contentRange: "bytes 5-6/7"},
		{name: "suffix", key: "key", byteRange: "bytes=-2", body: "d!", contentRange: "bytes 5-6/7"},
		{name: "past the end", key: "key", byteRange: "bytes=5-100", body: "d!", contentRange: "bytes 5-6/7"},
		{name: "beyond", key: "key", byteRange: "bytes=7-", want: "416 InvalidRange"},
		{name: "range of a match", key: "key", ifMatch: *second.ETag, byteRange: "bytes=0-0", body: "s", contentRange: "bytes 0-0/7"},
		{name: "range of what changed", key: "key", ifMatch: *first.ETag, byteRange: "bytes=0-0", want: "412 PreconditionFailed"},
		{name: "beyond what changed", key: "key", ifMatch: *first.ETag, byteRange: "bytes=7-", want: "412 PreconditionFailed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, body, err := b.get(ctx, tt.key, func(in *s3.GetObjectInput) {
				if tt.ifMatch != "" {
					in.IfMatch = &tt.ifMatch
				}
				if tt.byteRange != "" {
					in.Range = &tt.byteRange
				}
			})
			wantS3(t, err, tt.want)
			if tt.want == "" && (body != tt.body || aws.ToString(out.ContentRange) != tt.contentRange) {
				t.Errorf("got %q, %q", body, aws.ToString(out.ContentRange))
			}
		})
	}
	_, err = b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(sandbox.DefaultBucket), Key: aws.String("key"), IfMatch: first.ETag})
	wantS3(t, err, "412 PreconditionFailed")
	_, _, err = b.get(ctx, "key", func(in *s3.GetObjectInput) { in.IfNoneMatch = second.ETag })
	wantS3(t, err, "304 NotModified")
}

func TestS3ConditionalPut(t *testing.T) {
	b := newBucket(t, &sandbox.S3{})
	ctx := t.Context()
	ifNoneMatch := func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") }
	ifMatch := func(etag *string) func(*s3.PutObjectInput) {
		return func(in *s3.PutObjectInput) { in.IfMatch = etag }
	}
	created, err := b.put(ctx, "key", "one", ifNoneMatch)
	wantS3(t, err, "")
	_, err = b.put(ctx, "key", "two", ifNoneMatch)
	wantS3(t, err, "412 PreconditionFailed")
	_, err = b.put(ctx, "none", "two", ifMatch(created.ETag))
	wantS3(t, err, "404 NoSuchKey")
	_, err = b.put(ctx, "key", "two", ifMatch(created.ETag))
	wantS3(t, err, "")
	_, err = b.put(ctx, "key", "three", ifMatch(created.ETag))
	wantS3(t, err, "412 PreconditionFailed")
	_, err = b.put(ctx, "key", "three", func(in *s3.PutObjectInput) { in.IfNoneMatch = created.ETag })
	wantS3(t, err, "501 NotImplemented")
	if got, _ := b.Object("key"); string(got) != "two" {
		t.Errorf("holds %q", got)
	}
}

// Of 16 that create an object one wins, and it stays the winner's; of 16 that
// replace it by its ETag, too.
func TestS3ConditionalPutAtOnce(t *testing.T) {
	b := newBucket(t, &sandbox.S3{})
	var etag *string
	for round := range 4 {
		var mu sync.Mutex
		var winners []string
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				body := fmt.Sprint("round ", round, " writer ", i)
				_, err := b.put(t.Context(), "key", body, func(in *s3.PutObjectInput) {
					if in.IfMatch = etag; etag == nil {
						in.IfNoneMatch = aws.String("*")
					}
				})
				if err == nil {
					mu.Lock()
					winners = append(winners, body)
					mu.Unlock()
					return
				}
				wantS3(t, err, "412 PreconditionFailed")
			})
			wg.Go(func() { b.Keys(); _, _, _ = b.get(t.Context(), "key") })
		}
		wg.Wait()
		out, got, err := b.get(t.Context(), "key")
		if err != nil || len(winners) != 1 || got != winners[0] {
			t.Fatalf("winners %q, stored %q, %v", winners, got, err)
		}
		etag = out.ETag
	}
}

// While an object is replaced over and over, whoever asks for an ETag gets that
// one's bytes or 412.
func TestS3IfMatchIsOfWhatIsSent(t *testing.T) {
	b := newBucket(t, &sandbox.S3{})
	wanted, err := b.put(t.Context(), "key", "wanted")
	wantS3(t, err, "")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				b.SetObject("key", []byte("other!"))
				b.SetObject("key", []byte("wanted"))
			}
		}
	})
	for range 100 {
		_, body, err := b.get(t.Context(), "key", func(in *s3.GetObjectInput) { in.IfMatch = wanted.ETag })
		if err != nil {
			wantS3(t, err, "412 PreconditionFailed")
		} else if body != "wanted" {
			t.Errorf("got %q", body)
		}
	}
	close(stop)
	wg.Wait()
}

func TestS3Lists(t *testing.T) {
	b := newBucket(t, &sandbox.S3{})
	var want []string
	for i := range 7 {
		want = append(want, fmt.Sprintf("uploads/%d", i))
		b.SetObject(want[i], bytes.Repeat([]byte("x"), i))
	}
	b.SetObject("idempotency/1", nil)
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{
		Bucket: aws.String(sandbox.DefaultBucket), Prefix: aws.String("uploads/"), MaxKeys: aws.Int32(3),
	})
	var got []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range page.Contents {
			if int(*object.Size) != len(got) {
				t.Errorf("%s has %d bytes", *object.Key, *object.Size)
			}
			got = append(got, *object.Key)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %q", got)
	}
	out, err := b.client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(sandbox.DefaultBucket), Delimiter: aws.String("/")})
	if err != nil || len(out.CommonPrefixes) != 2 || *out.CommonPrefixes[0].Prefix != "idempotency/" {
		t.Errorf("prefixes %+v, %v", out, err)
	}
}
