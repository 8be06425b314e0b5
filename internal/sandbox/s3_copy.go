package sandbox

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
)

const copySource = "X-Amz-Copy-Source"

// copyObject copies an object within the bucket: its type included, or with the
// request's where that is to replace it. Like S3 it copies one onto itself in that case
// alone: in the other it would change nothing.
func (s *S3) copyObject(w http.ResponseWriter, r *http.Request, key string, body []byte) *s3Fault {
	given := r.Header.Get(copySource)
	source, err := url.PathUnescape(given)
	bucket, from, ok := strings.Cut(strings.TrimPrefix(source, "/"), "/")
	switch {
	case len(body) > 0:
		return notImplemented("a copy's body")
	case (r.Header.Get("Content-Type") != "") != (r.Header.Get("X-Amz-Metadata-Directive") == "REPLACE"),
		!slices.Contains([]string{"", "REPLACE"}, r.Header.Get("X-Amz-Tagging-Directive")), r.Header.Get("If-Match") != "", r.Header.Get("If-None-Match") != "":
		return notImplemented("a copy's metadata and conditions")
	case err != nil || !ok || bucket == "" || from == "":
		return invalidArgument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey", copySource, given)
	case bucket != s.Bucket:
		return s3FaultOf(gofakes3.ErrNoSuchBucket).with("BucketName", bucket)
	case from == key && r.Header.Get("X-Amz-Metadata-Directive") != "REPLACE":
		return &s3Fault{
			status: http.StatusBadRequest, code: "InvalidRequest",
			message: "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
		}
	}
	etag, fault := s.copyWhole(from, key, r.Header.Get("Content-Type"), matches(r.Header.Get("X-Amz-Copy-Source-If-Match")))
	if fault != nil {
		return fault
	}
	writeXML(w, http.StatusOK, struct {
		XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CopyObjectResult"`
		LastModified string
		ETag         string
	}{LastModified: s.Now().UTC().Format(time.RFC3339), ETag: etag})
	return nil
}

func (s *S3) copyWhole(from, to, contentType string, match func(etag string) bool) (etag string, fault *s3Fault) {
	object, err := s.backend.GetObject(s.Bucket, from, nil)
	if err != nil {
		return "", s3FaultOf(gofakes3.ErrNoSuchKey).with("Key", from)
	}
	defer object.Contents.Close()
	if !match(fmt.Sprintf(`"%x"`, object.Hash)) {
		return "", s3FaultOf(gofakes3.ErrPreconditionFailed).with("Condition", "x-amz-copy-source-If-Match")
	}
	data, err := io.ReadAll(object.Contents)
	if err != nil {
		return "", s3FaultOf(gofakes3.ErrInternal)
	}
	return s.store(to, cmp.Or(contentType, object.Metadata["Content-Type"]), data, nil)
}
