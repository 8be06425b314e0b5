package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"omr-relay/internal/config"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
)

const (
	// uploadBytes is more than any relay's bucket takes of a scan.
	uploadBytes = 200 << 20
	// stalled is how long an upload may get no further.
	stalled = 2 * time.Minute
)

// uploader has scans submitted that are too large for a call, by way of the bucket of
// a deployed relay. It is safe for concurrent use. Its errors are omr's [omr.Failure].
type uploader struct {
	relay   http.RoundTripper // which attaches the key
	storage http.RoundTripper // which never sees it
	base    *url.URL
	header  http.Header
}

// uploadForm is the answer of POST /uploads, as far as it is needed.
type uploadForm struct {
	Upload string
	URL    string
	Fields map[string]string
}

// form asks for one. That costs nothing.
func (u *uploader) form(ctx context.Context) (*uploadForm, error) {
	said, err := u.post(ctx, "uploads", nil, nil)
	if err != nil {
		return nil, &omr.Failure{Call: "uploading", Err: err}
	}
	if said.status != http.StatusOK {
		return nil, said.refusal("uploading")
	}
	var form uploadForm
	err = json.Unmarshal(said.body, &form)
	// Scans go where nobody on the way can read them.
	if _, urlErr := config.ParseURL(form.URL); err != nil || urlErr != nil || form.Upload == "" {
		return nil, uploadFailure(problem.BucketUnavailable, "the relay's answer is no form for an upload")
	}
	return &form, nil
}

// limit is how many bytes the relay's bucket takes of a scan; 0 where there is none.
func (u *uploader) limit(ctx context.Context) (int64, error) {
	form, err := u.form(ctx)
	f, failed := errors.AsType[*omr.Failure](err)
	switch {
	case failed && f.Refusal != nil && f.Refusal.Status == http.StatusNotFound:
		return 0, nil
	case failed && f.Refusal != nil:
		return 0, fmt.Errorf("the relay answers %d to POST /uploads, by which it takes large scans: try again later", f.Refusal.Status)
	case err != nil:
		return 0, fmt.Errorf("%s cannot be reached: %s", u.base.Redacted(), problem.Describe(err))
	}
	return form.limit(), nil
}

// limit reads the policy that S3 will judge the upload by:
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
func (f *uploadForm) limit() int64 {
	var policy struct{ Conditions []json.RawMessage }
	text, _ := base64.StdEncoding.DecodeString(f.Fields["policy"])
	_ = json.Unmarshal(text, &policy) // what does not decode says nothing, and S3 has the last word
	for _, condition := range policy.Conditions {
		var name string
		var smallest, largest int64
		if json.Unmarshal(condition, &[]any{&name, &smallest, &largest}) == nil && name == "content-length-range" {
			return largest
		}
	}
	return uploadBytes
}

// upload uploads a scan and returns its id. tell is told how many bytes have gone out,
// as they do. It blocks until the scan is there or ctx ends, or for two minutes in
// which nothing moves.
func (u *uploader) upload(ctx context.Context, scan omr.Document, tell func(n int)) (string, error) {
	form, err := u.form(ctx)
	if err != nil {
		return "", err
	}
	if scan.Size > form.limit() {
		return "", errTooLarge()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	content, err := scan.Open()
	if err != nil {
		return "", errUnreadable(err)
	}
	file := &sentFile{
		ReadCloser: content, left: scan.Size, tell: tell, end: cancel,
		watch: time.AfterFunc(stalled, func() { cancel(errStalled) }),
	}
	defer file.watch.Stop()
	req, err := form.request(ctx, file, scan.Size)
	if err != nil {
		_ = content.Close()
		return "", &omr.Failure{Call: "uploading", Err: err}
	}
	resp, err := u.storage.RoundTrip(req)
	if f, ok := errors.AsType[*omr.Failure](context.Cause(ctx)); err != nil && ok {
		return "", f
	}
	if err != nil {
		return "", uploadFailure(problem.BucketUnavailable, "the upload broke off ("+problem.Describe(err)+")")
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return form.Upload, nil
	}
	said, _ := io.ReadAll(io.LimitReader(resp.Body, maxKept)) // what is said is only looked at
	return "", refusedByS3(resp.StatusCode, said)
}

// request is the upload: the fields, then the file, and a length, for S3 takes
// nothing without.
func (f *uploadForm) request(ctx context.Context, file io.ReadCloser, size int64) (*http.Request, error) {
	var head bytes.Buffer
	w := multipart.NewWriter(&head)
	for _, name := range slices.Sorted(maps.Keys(f.Fields)) {
		_ = w.WriteField(name, f.Fields[name]) // a buffer takes everything
	}
	_, _ = w.CreateFormFile("file", "scan") // likewise; what people call it is not S3's affair
	tail := "\r\n--" + w.Boundary() + "--\r\n"
	body := struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head.Bytes()), file, strings.NewReader(tail)), file}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.URL, body)
	if err != nil {
		return nil, fmt.Errorf("building the upload: %w", err)
	}
	req.ContentLength = int64(head.Len()) + size + int64(len(tail))
	req.Header.Set("Content-Type", w.FormDataContentType())
	return req, nil
}

// sentFile is a file on its way out. Where it cannot be read, or is not as long as it
// was, it ends the request, and says why.
type sentFile struct {
	io.ReadCloser
	left  int64
	tell  func(n int)
	watch *time.Timer
	end   context.CancelCauseFunc
}

func (f *sentFile) Read(p []byte) (int, error) {
	f.watch.Reset(stalled)
	n, err := f.ReadCloser.Read(p)
	f.left -= int64(n)
	f.tell(n)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
	case f.left < 0, err != nil && f.left > 0:
		err = problem.Constant("it has changed")
	default:
		return n, err
	}
	f.end(errUnreadable(err))
	return 0, err
}

var s3Code = regexp.MustCompile(`<Code>([A-Za-z]{1,64})</Code>`)

// refusedByS3 says whether the same upload may go well later.
func refusedByS3(status int, said []byte) error {
	code := ""
	if found := s3Code.FindSubmatch(said); found != nil {
		code = string(found[1])
	}
	answered := strings.TrimSpace(fmt.Sprintf("%d %s", status, code))
	switch {
	case code == "EntityTooLarge":
		return errTooLarge()
	case status >= 500, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, code == "RequestTimeout", code == "IncompleteBody":
		return uploadFailure(problem.BucketUnavailable, "S3 answers "+answered)
	default:
		return uploadFailure(problem.InvalidInput, "S3 does not take it: "+answered)
	}
}

func errTooLarge() error {
	return uploadFailure(problem.PayloadTooLarge, "it is larger than the relay's bucket takes (the template's MaxUploadMegabytes)")
}

func errUnreadable(err error) error {
	return uploadFailure(problem.InvalidInput, "the file cannot be read: "+problem.Describe(err))
}

var errStalled = uploadFailure(problem.BucketUnavailable, "nothing of the upload was taken for two minutes")

// uploadFailure is one before anything was submitted, in words that people read.
func uploadFailure(code problem.Code, detail string) *omr.Failure {
	status := http.StatusUnprocessableEntity
	if code == problem.BucketUnavailable {
		status = http.StatusServiceUnavailable
	}
	body, _ := json.Marshal(map[string]string{"code": string(code), "detail": detail}) // plain values always marshal
	return &omr.Failure{Call: "uploading", Refusal: &omr.Refusal{Status: status, Body: body}}
}
