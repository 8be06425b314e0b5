package sandbox

import (
	"bytes"
	"crypto/md5" //nolint:gosec // Content-MD5 is MD5
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"hash/crc32"
	"hash/crc64"
	"net/http"
	"strings"

	"github.com/johannesboyne/gofakes3"
)

// checksumHeader is the checksum that S3 makes of an object. A client that asks
// for it compares what arrives.
const checksumHeader = "X-Amz-Checksum-Crc64nvme"

// maxS3Error bounds an error document of gofakes3.
const maxS3Error = 4 << 10

var crc64NVME = crc64.MakeTable(0x9a6c9329ac4bc9b5)

func checksum(data []byte) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc64.Checksum(data, crc64NVME)))
}

// putObject stores the body if it is the one that was sent and the conditions
// hold.
func (s *S3) putObject(w http.ResponseWriter, r *http.Request, key string, body []byte) *s3Fault {
	if fault := checkDigests(r.Header, body); fault != nil {
		return fault
	}
	conditions, fault := putConditions(r.Header)
	if fault != nil {
		return fault
	}
	etag, fault := s.store(key, r.Header.Get("Content-Type"), body, conditions)
	if fault != nil {
		return fault
	}
	w.Header().Set("ETag", etag)
	w.WriteHeader(http.StatusOK)
	return nil
}

// checkDigests compares a body with what its headers say of it.
func checkDigests(h http.Header, body []byte) *s3Fault {
	md5Sum := md5.Sum(body) //nolint:gosec // Content-MD5 is MD5
	crc32Sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body))
	for name, want := range map[string][]byte{"Content-Md5": md5Sum[:], "X-Amz-Checksum-Crc32": crc32Sum} {
		if given := h.Get(name); given != "" && given != base64.StdEncoding.EncodeToString(want) {
			return s3FaultOf(gofakes3.ErrBadDigest)
		}
	}
	return nil
}

// putConditions knows the two conditions that S3 has for a write: If-None-Match
// of *, and If-Match of an ETag.
func putConditions(h http.Header) (*gofakes3.PutConditions, *s3Fault) {
	match, noneMatch := h.Get("If-Match"), h.Get("If-None-Match")
	switch {
	case match == "" && noneMatch == "":
		return nil, nil
	case noneMatch != "" && (noneMatch != "*" || match != ""):
		return nil, notImplemented("If-None-Match")
	case noneMatch != "":
		return &gofakes3.PutConditions{IfNoneMatch: &noneMatch}, nil
	case match == "*":
		return nil, notImplemented("If-Match")
	}
	return &gofakes3.PutConditions{IfMatch: &match}, nil
}

// read lets gofakes3 answer. It ignores If-Match, which counts for the object
// of key.
func (s *S3) read(w http.ResponseWriter, r *http.Request, key string) *s3Fault {
	a := &s3Answer{to: w, header: http.Header{}, isList: key == "", match: matches(r.Header.Get("If-Match"))}
	a.withChecksum = strings.EqualFold(r.Header.Get("X-Amz-Checksum-Mode"), "ENABLED") ||
		strings.EqualFold(r.URL.Query().Get("X-Amz-Checksum-Mode"), "ENABLED")
	a.disposition = r.URL.Query().Get("response-content-disposition")
	s.reads.ServeHTTP(a, r)
	a.WriteHeader(http.StatusOK)
	switch {
	case a.status == http.StatusPreconditionFailed:
		return s3FaultOf(gofakes3.ErrPreconditionFailed).with("Condition", "If-Match")
	// A condition comes before a range.
	case a.status == http.StatusRequestedRangeNotSatisfiable && !a.match(s.etag(key)):
		return s3FaultOf(gofakes3.ErrPreconditionFailed).with("Condition", "If-Match")
	case a.status >= http.StatusBadRequest:
		return a.fault().with("Key", key)
	}
	return nil
}

// matches returns whether an If-Match header lets an ETag through.
func matches(condition string) func(etag string) bool {
	return func(etag string) bool {
		return condition == "" || condition == "*" || strings.Trim(condition, `"`) == strings.Trim(etag, `"`)
	}
}

// s3Answer passes on of gofakes3's answers what S3 would have said: it has
// headers of its own, it allows every origin, and it returns the headers that an
// object came with. Errors are held back.
type s3Answer struct {
	to           http.ResponseWriter
	header       http.Header // what gofakes3 wanted
	status       int
	isList       bool
	withChecksum bool
	disposition  string // that the request asks for
	match        func(etag string) bool
	refused      bytes.Buffer // the body of an error
}

func (a *s3Answer) Header() http.Header { return a.header }

func (a *s3Answer) WriteHeader(status int) {
	if a.status != 0 {
		return
	}
	a.status = status
	if status >= http.StatusBadRequest {
		return
	}
	if !a.match(a.header.Get("ETag")) { // of the very object that would be sent
		a.status = http.StatusPreconditionFailed
		return
	}
	h := a.to.Header()
	if a.disposition != "" {
		h.Set("Content-Disposition", a.disposition)
	}
	for _, name := range []string{"Accept-Ranges", "Content-Length", "Content-Range", "Content-Type", "ETag", "Last-Modified"} {
		if value := a.header.Get(name); value != "" {
			h.Set(name, value)
		}
	}
	if a.isList && status == http.StatusOK {
		h.Set("Content-Type", "application/xml") // gofakes3 sets it too late
	}
	if a.withChecksum && status == http.StatusOK && a.header.Get(checksumHeader) != "" {
		h.Set(checksumHeader, a.header.Get(checksumHeader))
		h.Set("X-Amz-Checksum-Type", "FULL_OBJECT")
	}
	a.to.WriteHeader(status)
}

func (a *s3Answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	switch {
	case a.status >= http.StatusBadRequest: // of an object that is not sent, a little is enough
		a.refused.Write(p[:min(len(p), max(maxS3Error-a.refused.Len(), 0))])
		return len(p), nil
	case a.status == http.StatusNotModified:
		return len(p), nil
	}
	return a.to.Write(p)
}

// fault returns the error in S3's words. HEAD has none but the status.
func (a *s3Answer) fault() *s3Fault {
	var answer struct{ Code gofakes3.ErrorCode }
	if err := xml.Unmarshal(a.refused.Bytes(), &answer); err == nil {
		return s3FaultOf(answer.Code)
	}
	switch a.status {
	case http.StatusNotFound:
		return s3FaultOf(gofakes3.ErrNoSuchKey)
	case http.StatusRequestedRangeNotSatisfiable:
		return s3FaultOf(gofakes3.ErrInvalidRange)
	}
	return s3FaultOf(gofakes3.ErrInternal)
}
