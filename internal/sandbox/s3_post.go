package sandbox

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/johannesboyne/gofakes3"
)

const (
	// maxPostFields bounds the form without its file, in bytes, as S3 does.
	maxPostFields = 20 << 10
	// maxAfterFile bounds what follows the file, which is read and ignored.
	maxAfterFile = 1 << 20
)

// postForm is a browser-based upload up to its file. Names are in lower case,
// as S3 compares them.
type postForm struct {
	fields map[string]string
	file   *multipart.Part
}

// postBody reads an upload and remembers why it ended, which the multipart
// reader does not tell.
type postBody struct {
	io.Reader
	err error // nil at the end of a whole body
}

func (b *postBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// fault is what is wrong with a body whose form cannot be read further.
func (b *postBody) fault() *s3Fault {
	if b.err != nil {
		return bodyFault(b.err)
	}
	return s3FaultOf(gofakes3.ErrMalformedPOSTRequest)
}

// postObject serves a browser-based upload. Of its file it reads what the policy
// allows and a byte more, whatever Content-Length says, and it stores nothing
// before the whole form was there.
func (s *S3) postObject(w http.ResponseWriter, r *http.Request, bucket string) *s3Fault {
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.ContentLength < 0:
		return notImplemented("Transfer-Encoding")
	case err != nil || mediaType != "multipart/form-data":
		return s3FaultOf(gofakes3.ErrPreconditionFailed).with("Condition", "Bucket POST must be of the enclosure-type multipart/form-data")
	case params["boundary"] == "":
		return s3FaultOf(gofakes3.ErrMalformedPOSTRequest)
	case bucket != s.Bucket:
		return s3FaultOf(gofakes3.ErrNoSuchBucket).with("BucketName", bucket)
	}
	body := &postBody{Reader: http.MaxBytesReader(w, r.Body, maxPostFields+maxS3Object+maxAfterFile)}
	reader := multipart.NewReader(body, params["boundary"])
	form, fault := readForm(reader, body)
	if fault != nil {
		return fault
	}
	size, fault := s.judge(form, bucket)
	if fault != nil {
		return fault
	}
	data, fault := readFile(form.file, body, size, r.ContentLength)
	if fault != nil {
		return fault
	}
	// The end of the form is the only sign that nothing of the file is missing.
	for err == nil {
		_, err = reader.NextRawPart()
	}
	if !errors.Is(err, io.EOF) {
		return body.fault()
	}
	etag, fault := s.store(form.fields["key"], form.fields["content-type"], data, nil)
	if fault != nil {
		return fault
	}
	w.Header().Set("ETag", etag)
	location := url.URL{Scheme: "http", Host: r.Host, Path: "/" + bucket + "/" + form.fields["key"]}
	if r.TLS != nil {
		location.Scheme = "https"
	}
	w.Header().Set("Location", location.String())
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// readForm reads the fields before the file; those after it do not count. The
// key's ${filename} is replaced, because a policy speaks of the result.
func readForm(reader *multipart.Reader, body *postBody) (postForm, *s3Fault) {
	form := postForm{fields: map[string]string{}}
	for left := maxPostFields; ; {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) && body.err == nil && len(form.fields) > 0 { // without any part it is no form
			return form, invalidArgument("POST requires exactly one file upload per request.", "file", "0")
		} else if err != nil {
			return form, body.fault()
		}
		name := strings.ToLower(part.FormName())
		if name == "file" {
			form.file = part
			if key, ok := form.fields["key"]; ok {
				form.fields["key"] = strings.ReplaceAll(key, "${filename}", part.FileName())
			}
			return form, nil
		}
		value, err := io.ReadAll(io.LimitReader(part, int64(left)+1))
		if err != nil {
			return form, body.fault()
		}
		if left -= len(name) + len(value); left < 0 {
			return form, &s3Fault{
				status: http.StatusBadRequest, code: "MaxPostPreDataLengthExceededError",
				message: "Your POST request fields preceding the upload file were too large.",
			}
		}
		if _, twice := form.fields[name]; twice || name == "" {
			return form, s3FaultOf(gofakes3.ErrMalformedPOSTRequest)
		}
		form.fields[name] = string(value)
	}
}

// What the stand-in understands of a form beside x-ignore-*. Other fields ask
// for something, and would be ignored.
var postFields = []string{
	"key", "policy", "bucket", "content-type", "x-amz-algorithm", "x-amz-credential", "x-amz-date",
	"x-amz-signature", "x-amz-security-token",
}

// judge verifies the policy's signature and the form by the policy. It returns
// which sizes the file may have.
func (s *S3) judge(form postForm, bucket string) (sizeRange, *s3Fault) {
	if fault := s.checkPolicySignature(form.fields); fault != nil {
		return sizeRange{}, fault
	}
	policy, fault := parsePolicy(form.fields["policy"])
	if fault != nil {
		return sizeRange{}, fault
	}
	if fault := policy.check(form.fields, bucket, s.Now()); fault != nil {
		return sizeRange{}, fault
	}
	for _, name := range slices.Sorted(maps.Keys(form.fields)) {
		if !slices.Contains(postFields, name) && !strings.HasPrefix(name, "x-ignore-") {
			return sizeRange{}, notImplemented(name)
		}
	}
	return policy.size, nil
}

func (s *S3) checkPolicySignature(fields map[string]string) *s3Fault {
	missing := func(name string) *s3Fault {
		return invalidArgument("Bucket POST must contain a field named '"+name+"'.  If it is specified, please check the order of the fields.", name, "")
	}
	unsupported := &s3Fault{
		status: http.StatusBadRequest, code: "InvalidRequest",
		message: "The authorization mechanism you have provided is not supported. Please use " + s3Algorithm + ".",
	}
	switch {
	case fields["key"] == "":
		return missing("key")
	case fields["awsaccesskeyid"] != "" || fields["signature"] != "": // version 2
		return unsupported
	case fields["policy"] == "" && fields["x-amz-signature"] == "":
		return accessDenied("Access Denied") // nobody in particular may upload
	case fields["policy"] == "":
		return missing("policy")
	}
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature"} {
		if fields[strings.ToLower(name)] == "" {
			return missing(name)
		}
	}
	if fields["x-amz-algorithm"] != s3Algorithm {
		return unsupported
	}
	signed, fault := s.checkScope(fields["x-amz-credential"], fields["x-amz-date"], fields["x-amz-security-token"])
	if fault != nil {
		return fault
	}
	if fields["x-amz-signature"] != s.signText(fields["policy"], signed) {
		return signatureDoesNotMatch()
	}
	return nil
}

// readFile reads a file that has one of the sizes. announced, the length of the
// whole request, is taken for a hint of how much memory it will need.
func readFile(file io.Reader, body *postBody, size sizeRange, announced int64) ([]byte, *s3Fault) {
	var buf bytes.Buffer
	buf.Grow(int(min(announced, size.largest)) + bytes.MinRead)
	n, err := buf.ReadFrom(io.LimitReader(file, size.largest+1))
	switch {
	case err != nil:
		return nil, body.fault()
	case n > size.largest:
		return nil, entityTooLarge().with("MaxSizeAllowed", size.largestText())
	case n < size.smallest:
		return nil, size.tooSmall(n)
	}
	return buf.Bytes(), nil
}
