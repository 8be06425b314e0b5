package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// What a zero [S3] has and takes. The credentials are those of
// [Sandbox.AWSConfig].
const (
	DefaultBucket          = "omr-relay-sandbox"
	DefaultAccessKeyID     = "AKIASANDBOX"
	DefaultSecretAccessKey = "sandbox"
)

// maxS3Object bounds an object, in bytes. The service takes more; nothing that
// the relay keeps comes near.
const maxS3Object = 256 << 20

// S3 stands in for Amazon S3: one bucket, at path-style URLs (/bucket/key), in
// memory. It serves browser-based uploads (POST Object), GetObject, HeadObject,
// PutObject, CopyObject, DeleteObject, DeleteObjects, ListObjectsV2 and HeadBucket.
// Whatever else a request asks for is answered 501 NotImplemented and never ignored.
//
// gofakes3 keeps the objects and answers reads. It takes any request from
// anybody, so what S3 refuses is refused before it is asked: signatures, also
// those of presigned URLs, are verified; so are upload policies, checksums and
// conditions.
type S3 struct {
	Tap // keeps no body of a browser-based upload; a hook that reads one answers

	// Bucket is the only bucket there is; empty means [DefaultBucket].
	Bucket string

	// Region is the bucket's; empty means us-east-1.
	Region string

	// Credentials are the only ones that are taken, session token included.
	// Without an AccessKeyID they are [DefaultAccessKeyID] and
	// [DefaultSecretAccessKey].
	Credentials aws.Credentials

	// AllowOrigins are the origins whose pages may POST to the bucket; "*" is any.
	// Without one the bucket has no CORS configuration.
	AllowOrigins []string

	// Now tells the time; nil means time.Now. Only the wall clock counts.
	Now func() time.Time

	opened  sync.Once // makes what follows
	backend *s3mem.Backend
	reads   http.Handler

	writing sync.Mutex // held from a write's preconditions to its end
}

// Object returns a copy of the object of this key.
func (s *S3) Object(key string) ([]byte, bool) {
	s.open()
	object, err := s.backend.GetObject(s.Bucket, key, nil)
	if err != nil {
		return nil, false
	}
	defer object.Contents.Close()
	data, err := io.ReadAll(object.Contents)
	return data, err == nil
}

// SetObject stores a copy of data, whatever the key held.
func (s *S3) SetObject(key string, data []byte) {
	s.open()
	if _, fault := s.store(key, "", data, nil); fault != nil {
		panic("sandbox: storing an object: " + fault.code) // memory does not fail
	}
}

// RemoveObject deletes the object of this key, if there is one, as the bucket's
// lifecycle does.
func (s *S3) RemoveObject(key string) {
	s.open()
	s.writing.Lock()
	defer s.writing.Unlock()
	if _, err := s.backend.DeleteObject(s.Bucket, key); err != nil {
		panic(fmt.Errorf("sandbox: deleting an object: %w", err))
	}
}

// Keys returns the keys of all objects, sorted.
func (s *S3) Keys() []string {
	s.open()
	list, err := s.backend.ListBucket(s.Bucket, nil, gofakes3.ListBucketPage{})
	if err != nil {
		panic(fmt.Errorf("sandbox: listing the bucket: %w", err))
	}
	keys := make([]string, 0, len(list.Contents))
	for _, object := range list.Contents {
		keys = append(keys, object.Key)
	}
	return keys
}

func (s *S3) open() {
	s.opened.Do(func() {
		if s.Bucket == "" {
			s.Bucket = DefaultBucket
		}
		if s.Region == "" {
			s.Region = region
		}
		if s.Credentials.AccessKeyID == "" {
			s.Credentials.AccessKeyID, s.Credentials.SecretAccessKey = DefaultAccessKeyID, DefaultSecretAccessKey
		}
		if s.Now == nil {
			s.Now = time.Now
		}
		clock := s3Clock{s.Now}
		s.backend = s3mem.New(s3mem.WithTimeSource(clock))
		if err := s.backend.CreateBucket(s.Bucket); err != nil {
			panic(fmt.Errorf("sandbox: creating the bucket: %w", err)) // there is none yet
		}
		// Its own check of a request's age is left out: ours knows presigned URLs.
		s.reads = gofakes3.New(s.backend, gofakes3.WithTimeSource(clock), gofakes3.WithTimeSkewLimit(0)).Server()
	})
}

// s3Clock is a gofakes3.TimeSource.
type s3Clock struct{ now func() time.Time }

func (c s3Clock) Now() time.Time                  { return c.now().UTC().Round(0) }
func (c s3Clock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// ServeHTTP implements [http.Handler].
func (s *S3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.open()
	w.Header().Set("X-Amz-Request-Id", newGUID())
	w.Header().Set("Server", "AmazonS3")
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")

	// An upload is not read before it is known how much of it will be taken.
	if r.Method == http.MethodPost && key == "" && r.URL.RawQuery == "" {
		s.record(r, nil)
		if s.takenOver(w, r) {
			return
		}
		s.allowPage(w, r)
		if fault := s.postObject(w, r, bucket); fault != nil {
			fault.write(w)
		}
		return
	}
	r, body, err := s.receive(w, r, maxS3Object)
	if s.takenOver(w, r) {
		return
	}
	if fault := s.serve(w, r, bucket, key, body, err); fault != nil {
		fault.write(w)
	}
}

// serve answers a request of S3's API, in the service's own order: the
// signature, what the request asks for, whether it is there.
func (s *S3) serve(w http.ResponseWriter, r *http.Request, bucket, key string, body []byte, readErr error) *s3Fault {
	if r.Method == http.MethodOptions {
		return s.preflight(w, r)
	}
	if r.ContentLength < 0 {
		return notImplemented("Transfer-Encoding")
	}
	if readErr != nil {
		return bodyFault(readErr)
	}
	if fault := s.authenticate(r, body); fault != nil {
		return fault
	}
	known := map[string][]string{} // method → the parts of the query that it knows
	if key != "" {
		known = objectOperations
	} else if bucket != "" {
		known = bucketOperations
	}
	parameters, ok := known[r.Method]
	if !ok {
		return notImplemented(r.Method)
	}
	if name := unknownTo(r, parameters); name != "" {
		return notImplemented(name)
	}
	if bucket != s.Bucket {
		return s3FaultOf(gofakes3.ErrNoSuchBucket).with("BucketName", bucket)
	}
	switch {
	case r.Method == http.MethodPut && len(r.Header.Values(copySource)) > 0:
		return s.copyObject(w, r, key, body)
	case r.Method == http.MethodPut:
		return s.putObject(w, r, key, body)
	case r.Method == http.MethodPost:
		return s.deleteObjects(w, r, body)
	case r.Method == http.MethodDelete:
		s.writing.Lock()
		defer s.writing.Unlock()
		return s.read(w, r, "")
	case key == "" && r.Method == http.MethodGet:
		if r.URL.Query().Get("list-type") != "2" {
			return notImplemented("list-type")
		}
		return s.read(w, r, "")
	default:
		return s.read(w, r, key)
	}
}

var (
	objectOperations = map[string][]string{
		http.MethodGet: {"response-content-disposition"}, http.MethodHead: nil, http.MethodPut: nil, http.MethodDelete: nil,
	}
	bucketOperations = map[string][]string{
		http.MethodHead: nil,
		http.MethodPost: {"delete"},
		http.MethodGet:  {"list-type", "prefix", "delimiter", "max-keys", "continuation-token", "start-after", "fetch-owner"},
	}

	// What any request may have in its query, as long as it is signed. x-id names
	// the operation, and the last two are headers that a presigned URL holds.
	signedParameters = []string{
		"x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires", "x-amz-signedheaders", "x-amz-signature",
		"x-amz-security-token", "x-amz-content-sha256", "x-id", "x-amz-checksum-mode", "x-amz-sdk-checksum-algorithm",
	}

	// Headers beginning with x-amz- that are understood, or ask for nothing.
	knownHeaders = []string{
		"x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "x-amz-user-agent",
		"x-amz-checksum-mode", "x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm",
	}

	// Those of a copy, which is a PUT.
	copyHeaders = []string{"x-amz-copy-source", "x-amz-copy-source-if-match", "x-amz-metadata-directive", "x-amz-tagging-directive"}

	// Conditions that each method knows. S3 has others, which would be ignored here.
	knownConditions = map[string][]string{
		http.MethodGet:  {"If-Match", "If-None-Match", "If-Modified-Since"},
		http.MethodHead: {"If-Match", "If-None-Match", "If-Modified-Since"},
		http.MethodPut:  {"If-Match", "If-None-Match"},
	}
)

// unknownTo returns the first part of a request that is not understood.
func unknownTo(r *http.Request, parameters []string) string {
	for _, name := range slices.Sorted(maps.Keys(r.URL.Query())) {
		if !slices.Contains(parameters, name) && !slices.Contains(signedParameters, strings.ToLower(name)) {
			return name
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		lower := strings.ToLower(name)
		switch {
		case r.Method == http.MethodPut && slices.Contains(copyHeaders, lower):
		case strings.HasPrefix(lower, "x-amz-") && !slices.Contains(knownHeaders, lower):
			return name
		case strings.HasPrefix(lower, "if-") && !slices.Contains(knownConditions[r.Method], name):
			return name
		}
	}
	return ""
}

// store writes an object and returns its ETag.
func (s *S3) store(key, contentType string, data []byte, conditions *gofakes3.PutConditions) (string, *s3Fault) {
	if len(key) > gofakes3.KeySizeLimit {
		return "", &s3Fault{status: http.StatusBadRequest, code: "KeyTooLongError", message: "Your key is too long"}
	}
	if contentType == "" {
		contentType = "binary/octet-stream"
	}
	// gofakes3 lets an object keep what the one before it had and it has not. All
	// of these are always there, so nothing is left over.
	meta := map[string]string{
		"Last-Modified": s.Now().UTC().Format(http.TimeFormat),
		"Content-Type":  contentType,
		checksumHeader:  checksum(data),
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if conditions != nil && conditions.IfMatch != nil && s.etag(key) == "" {
		return "", s3FaultOf(gofakes3.ErrNoSuchKey).with("Key", key) // gofakes3 says 412
	}
	if _, err := s.backend.PutObject(s.Bucket, key, meta, bytes.NewReader(data), int64(len(data)), conditions); err != nil {
		return "", s3FaultOf(gofakes3.ErrorResultFromError(err).Code)
	}
	return s.etag(key), nil
}

// etag returns the ETag of an object, with its quotes, and nothing if there is
// no such object.
func (s *S3) etag(key string) string {
	object, err := s.backend.HeadObject(s.Bucket, key)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(`"%x"`, object.Hash)
}
