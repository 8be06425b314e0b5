package sandbox_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"omr-relay/internal/sandbox"
)

type doer struct{ rt http.RoundTripper }

func (d doer) Do(r *http.Request) (*http.Response, error) { return d.rt.RoundTrip(r) }

// A function with a role has a session token, and signs all the same.
func TestS3Signatures(t *testing.T) {
	temporary := aws.Credentials{AccessKeyID: "ASIATEMPORARY", SecretAccessKey: "secret", SessionToken: "token/+="}
	for _, tt := range []struct {
		name   string
		change func(*aws.Credentials)
		ahead  time.Duration
		want   string
	}{
		{name: "good"},
		{name: "another key id", change: func(c *aws.Credentials) { c.AccessKeyID = "ASIAOTHER" }, want: "403 InvalidAccessKeyId"},
		{name: "another secret", change: func(c *aws.Credentials) { c.SecretAccessKey = "Secret" }, want: "403 SignatureDoesNotMatch"},
		{name: "another token", change: func(c *aws.Credentials) { c.SessionToken = "other" }, want: "400 InvalidToken"},
		{name: "no token", change: func(c *aws.Credentials) { c.SessionToken = "" }, want: "403 InvalidAccessKeyId"},
		{name: "late", ahead: 16 * time.Minute, want: "403 RequestTimeTooSkewed"},
		{name: "early", ahead: -16 * time.Minute, want: "403 RequestTimeTooSkewed"},
		{name: "a little late", ahead: 14 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBucket(t, &sandbox.S3{Credentials: temporary})
			keys := temporary
			if tt.change != nil {
				tt.change(&keys)
			}
			b.client = clientOf(b.url, http.DefaultClient, keys)
			b.moveClock(tt.ahead)
			_, err := b.put(t.Context(), "key", "data")
			wantS3(t, err, tt.want)
			if _, ok := b.Object("key"); ok != (tt.want == "") {
				t.Errorf("stored: %t", ok)
			}
		})
	}
	other := newBucket(t, &sandbox.S3{Region: "eu-west-1"})
	_, err := other.put(t.Context(), "key", "data")
	wantS3(t, err, "400 AuthorizationHeaderMalformed")
}

// alter sends what the SDK signed after a change on the way.
type alter func(*http.Request)

func (f alter) Do(r *http.Request) (*http.Response, error) {
	f(r)
	return http.DefaultTransport.RoundTrip(r)
}

func TestS3RefusesWhatWasNotSigned(t *testing.T) {
	b := newBucket(t, &sandbox.S3{})
	b.SetObject("key", []byte("before"))
	for _, tt := range []struct {
		name   string
		change alter
		want   string
	}{
		{name: "nothing", change: func(*http.Request) {}},
		{name: "unsigned", change: func(r *http.Request) { r.Header.Del("Authorization") }, want: "403 AccessDenied"},
		{name: "another mechanism", change: func(r *http.Request) { r.Header.Set("Authorization", "AWS key:signature") }, want: "400 AuthorizationHeaderMalformed"},
		{name: "another path", change: func(r *http.Request) { r.URL.Path += "2" }, want: "403 SignatureDoesNotMatch"},
		{name: "another method", change: func(r *http.Request) { r.Method = http.MethodDelete }, want: "403 SignatureDoesNotMatch"},
		{name: "query", change: func(r *http.Request) { r.URL.RawQuery += "&a=b" }, want: "403 SignatureDoesNotMatch"},
		{name: "signed header", change: func(r *http.Request) { r.Header.Set("X-Amz-Checksum-Crc32", "AAAAAA==") }, want: "403 SignatureDoesNotMatch"},
		{name: "unsigned header", change: func(r *http.Request) { r.Header.Set("X-Amz-Acl", "public-read") }, want: "403 AccessDenied"},
		{name: "no digest", change: func(r *http.Request) { r.Header.Del("X-Amz-Content-Sha256") }, want: "400 InvalidRequest"},
		{name: "another body", change: func(r *http.Request) { r.Body = http.NoBody; r.ContentLength = 0 }, want: "403 SignatureDoesNotMatch"},
		{name: "another body of the same length", change: func(r *http.Request) {
			r.Body = http.MaxBytesReader(nil, r.Body, 4)
			_, _ = r.Body.Read(make([]byte, 4))
			r.Body = struct {
				*strings.Reader
				closer
			}{strings.NewReader("DATA"), closer{}}
		}, want: "400 XAmzContentSHA256Mismatch"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b.client = clientOf(b.url, tt.change, aws.Credentials{AccessKeyID: sandbox.DefaultAccessKeyID, SecretAccessKey: sandbox.DefaultSecretAccessKey})
			_, err := b.put(t.Context(), "key", "data")
			wantS3(t, err, tt.want)
			want := "before"
			if tt.want == "" {
				want = "data"
			}
			if got, _ := b.Object("key"); string(got) != want {
				t.Errorf("holds %q", got)
			}
			b.SetObject("key", []byte("before"))
		})
	}
}

type closer struct{}

func (closer) Close() error { return nil }

// What S3 knows and the stand-in does not is never ignored.
func TestS3RefusesWhatItDoesNotKnow(t *testing.T) {
	b := newBucket(t, &sandbox.S3{})
	b.SetObject("key", []byte("data"))
	name, key := aws.String(sandbox.DefaultBucket), aws.String("key")
	for what, call := range map[string]func() error{
		"a bucket": func() error {
			_, err := b.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("another-bucket")})
			return err
		},
		"no bucket": func() error {
			_, err := b.client.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: name})
			return err
		},
		"the buckets": func() error {
			_, err := b.client.ListBuckets(t.Context(), &s3.ListBucketsInput{})
			return err
		},
		"a copy's ACL": func() error {
			_, err := b.client.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: name, Key: aws.String("copy"), CopySource: aws.String(sandbox.DefaultBucket + "/key"), ACL: types.ObjectCannedACLPublicRead})
			return err
		},
		"parts": func() error {
			_, err := b.client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: name, Key: key})
			return err
		},
		"an ACL": func() error {
			_, err := b.client.GetObjectAcl(t.Context(), &s3.GetObjectAclInput{Bucket: name, Key: key})
			return err
		},
		"metadata": func() error {
			_, err := b.put(t.Context(), "key", "new", func(in *s3.PutObjectInput) { in.Metadata = map[string]string{"a": "b"} })
			return err
		},
		"another checksum": func() error {
			_, err := b.put(t.Context(), "key", "new", func(in *s3.PutObjectInput) { in.ChecksumAlgorithm = types.ChecksumAlgorithmSha256 })
			return err
		},
		"a version": func() error {
			_, _, err := b.get(t.Context(), "key", func(in *s3.GetObjectInput) { in.VersionId = aws.String("null") })
			return err
		},
		"a condition": func() error {
			_, _, err := b.get(t.Context(), "key", func(in *s3.GetObjectInput) { in.IfUnmodifiedSince = aws.Time(time.Now()) })
			return err
		},
		"a conditional delete": func() error {
			_, err := b.client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: name, Key: key, IfMatch: aws.String(`"x"`)})
			return err
		},
		"the first listing": func() error {
			_, err := b.client.ListObjects(t.Context(), &s3.ListObjectsInput{Bucket: name})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) { wantS3(t, call(), "501 NotImplemented") })
	}
	if got, _ := b.Object("key"); string(got) != "data" || len(b.Keys()) != 1 {
		t.Errorf("left: %q, %q", got, b.Keys())
	}
}

func TestS3PresignedURLs(t *testing.T) {
	b := newBucket(t, &sandbox.S3{})
	b.SetObject("a key", []byte("data"))
	signed, err := s3.NewPresignClient(b.client).PresignGetObject(t.Context(),
		&s3.GetObjectInput{Bucket: aws.String(sandbox.DefaultBucket), Key: aws.String("a key")}, s3.WithPresignExpires(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	altered := func(name, value string) string {
		u, err := url.Parse(signed.URL)
		if err != nil {
			t.Fatal(err)
		}
		query := u.Query()
		query.Set(name, value)
		u.RawQuery = query.Encode()
		return u.String()
	}
	for _, tt := range []struct {
		name, url string
		ahead     time.Duration
		status    int
		want      string
	}{
		{name: "good", url: signed.URL, status: 200, want: "data"},
		{name: "just in time", url: signed.URL, ahead: 50 * time.Second, status: 200, want: "data"},
		{name: "expired", url: signed.URL, ahead: 61 * time.Second, status: 403, want: "<Message>Request has expired</Message>"},
		{name: "longer", url: altered("X-Amz-Expires", "600"), status: 403, want: "SignatureDoesNotMatch"},
		{name: "too long", url: altered("X-Amz-Expires", "604801"), status: 400, want: "AuthorizationQueryParametersError"},
		{name: "another key", url: strings.Replace(signed.URL, "a%20key", "b%20key", 1), status: 403, want: "SignatureDoesNotMatch"},
		{name: "tampered", url: altered("X-Amz-Signature", strings.Repeat("0", 64)), status: 403, want: "SignatureDoesNotMatch"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b.moveClock(tt.ahead)
			defer b.moveClock(-tt.ahead)
			resp, body := call(t, http.DefaultTransport, http.MethodGet, tt.url, "")
			if resp.StatusCode != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		})
	}
}

func TestS3OnVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sandbox.S3{}
		b := &bucket{S3: s, client: clientOf("http://s3.test", doer{sandbox.InProcess(s)},
			aws.Credentials{AccessKeyID: sandbox.DefaultAccessKeyID, SecretAccessKey: sandbox.DefaultSecretAccessKey})}
		put, err := b.put(t.Context(), "key", "data")
		wantS3(t, err, "")
		out, body, err := b.get(t.Context(), "key", func(in *s3.GetObjectInput) { in.IfMatch, in.Range = put.ETag, aws.String("bytes=1-2") })
		wantS3(t, err, "")
		if body != "at" || !out.LastModified.Equal(time.Now()) {
			t.Errorf("got %q of %v", body, out.LastModified)
		}
		_, _, err = b.get(t.Context(), "none")
		wantS3(t, err, "404 NoSuchKey")
	})
}

func TestS3TapSeesAndAnswers(t *testing.T) {
	s := &sandbox.S3{}
	s.Record(2)
	s.Respond(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	srv := httptest.NewServer(s)
	defer srv.Close()
	for _, method := range []string{http.MethodPut, http.MethodPost} {
		if resp, _ := call(t, http.DefaultTransport, method, srv.URL+"/"+sandbox.DefaultBucket, "body"); resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: %d", method, resp.StatusCode)
		}
	}
	if seen := s.Requests(); s.Count() != 2 || string(seen[0].Body) != "body" || seen[1].Body != nil {
		t.Errorf("seen %+v", seen)
	}
}
