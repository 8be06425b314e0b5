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
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"omr-relay/internal/httpanswer"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
	"omr-relay/internal/recognition"
)

const (
	// uploadBytes is more than any relay's bucket takes of a scan.
	uploadBytes = 200 << 20
	// settling is how long a submission is asked for again whose answer was lost.
	settling = time.Minute
	// settlePause is between two of these calls where the relay names no time.
	settlePause = 2 * time.Second
)

// uploader submits scans that are too large for a call, by way of the bucket of a
// deployed relay. It is safe for concurrent use.
type uploader struct {
	relay   *keyed
	base    *url.URL
	storage http.RoundTripper // which never sees the key
	header  http.Header
}

// uploadForm is the answer of POST /uploads, as far as it is needed.
type uploadForm struct {
	Upload string
	URL    string
	Fields map[string]string
}

// available reports whether the relay has a bucket.
func (u *uploader) available(ctx context.Context) (bool, error) {
	_, err := u.form(ctx)
	if f, ok := errors.AsType[*omr.Failure](err); ok && f.Refusal != nil && f.Refusal.Status == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}

// submit uploads a scan and has it submitted. Its key is the upload's id: where the
// answer is lost, the same call tells what became of it, and costs nothing.
func (u *uploader) submit(ctx context.Context, sheet recognition.Sheet, o submission) (string, error) {
	form, err := u.form(ctx)
	if err != nil {
		return "", err
	}
	if err := u.send(ctx, form, sheet.Document); err != nil {
		return "", err
	}
	end := time.Now().Add(settling)
	for {
		id, err := u.recognize(ctx, form.Upload, o)
		f, failed := errors.AsType[*omr.Failure](err)
		if !failed {
			return id, err
		}
		pause := settlePause
		switch code := codeOf(f); {
		case code == problem.RequestInProgress:
			pause = max(pause, f.Refusal.RetryAfter)
		case code == "" && f.MayHaveArrived: // by a gateway's answer, or none
		default:
			return "", err
		}
		if time.Now().Add(pause).After(end) || !waited(ctx, pause) {
			return "", &omr.Failure{Call: "submitting", MayHaveArrived: true, Err: saying("no answer")}
		}
	}
}

// submission is what a scan is recognized by.
type submission struct {
	pattern   []byte
	format    omr.Format
	threshold *int
}

// form asks for one. Nothing that fails here has been paid for.
func (u *uploader) form(ctx context.Context) (*uploadForm, error) {
	resp, body, err := u.post(ctx, "uploads", nil, nil)
	if err != nil {
		return nil, &omr.Failure{Call: "uploading", Err: err}
	}
	if resp.StatusCode != http.StatusOK {
		return nil, refusalOf("uploading", resp, body)
	}
	var form uploadForm
	if err := json.Unmarshal(body, &form); err != nil || form.Upload == "" || form.URL == "" {
		return nil, &omr.Failure{Call: "uploading", Err: saying("the answer is no form")}
	}
	return &form, nil
}

// send uploads the scan. Its length is known, for S3 takes no other.
func (u *uploader) send(ctx context.Context, form *uploadForm, scan omr.Document) error {
	var head bytes.Buffer
	w := multipart.NewWriter(&head)
	for _, name := range slices.Sorted(maps.Keys(form.Fields)) {
		_ = w.WriteField(name, form.Fields[name]) // a buffer takes everything
	}
	_, _ = w.CreateFormFile("file", "scan")
	tail := "\r\n--" + w.Boundary() + "--\r\n"
	content, err := scan.Open()
	if err != nil {
		return &omr.Failure{Call: "uploading", Err: err}
	}
	body := io.MultiReader(bytes.NewReader(head.Bytes()), content, strings.NewReader(tail))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, form.URL, struct {
		io.Reader
		io.Closer
	}{body, content})
	if err != nil {
		_ = content.Close()
		return &omr.Failure{Call: "uploading", Err: err}
	}
	req.ContentLength = int64(head.Len()) + scan.Size + int64(len(tail))
	req.Header.Set("Content-Type", w.FormDataContentType())
	resp, err := u.storage.RoundTrip(req)
	if err != nil {
		return &omr.Failure{Call: "uploading", Err: err}
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, maxKept)) // what is said is only looked at
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode <= 299:
		return nil
	case bytes.Contains(said, []byte("<Code>EntityTooLarge</Code>")):
		return ownRefusal(http.StatusRequestEntityTooLarge, problem.PayloadTooLarge, "It is larger than the relay's bucket takes (the template's MaxUploadMegabytes).")
	default:
		return &omr.Failure{Call: "uploading", Err: saying("S3 answers " + strconv.Itoa(resp.StatusCode))}
	}
}

// recognize has an upload submitted, and returns its task.
func (u *uploader) recognize(ctx context.Context, upload string, o submission) (string, error) {
	task := map[string]any{
		"images":       []map[string]string{{"upload": upload}},
		"omrFile":      base64.StdEncoding.EncodeToString(o.pattern),
		"outputFormat": o.format,
	}
	if o.threshold != nil {
		task["recognitionThreshold"] = *o.threshold
	}
	text, _ := json.Marshal(task) // plain values always marshal
	sent := false
	resp, body, err := u.post(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { sent = true },
	}), "recognize", text, http.Header{"Idempotency-Key": {upload}, "Prefer": {"wait=0"}})
	if err != nil {
		return "", &omr.Failure{Call: "submitting", MayHaveArrived: sent, Err: err}
	}
	location := resp.Header.Get("Location")
	if resp.StatusCode == http.StatusOK {
		location = resp.Header.Get("Content-Location")
	}
	id := location[strings.LastIndexByte(location, '/')+1:]
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusAccepted {
		if !omr.ValidID(id) {
			return "", &omr.Failure{Call: "submitting", MayHaveArrived: true, Err: saying("the answer is no task")}
		}
		return id, nil
	}
	return "", refusalOf("submitting", resp, body)
}

// post makes a call to the relay and reads all of its answer.
func (u *uploader) post(ctx context.Context, route string, body []byte, header http.Header) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.base.JoinPath(route).String(), bytes.NewReader(body))
	if err != nil {
		return nil, nil, fmt.Errorf("building the call: %w", err)
	}
	maps.Copy(req.Header, u.header)
	maps.Copy(req.Header, header)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := u.relay.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, maxKept))
	return resp, said, err
}

func refusalOf(call string, resp *http.Response, body []byte) *omr.Failure {
	return &omr.Failure{Call: call, MayHaveArrived: resp.StatusCode >= 500, Refusal: &omr.Refusal{
		Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type"), Body: body,
		RetryAfter: httpanswer.RetryAfter(resp.Header, time.Now()),
	}}
}

// ownRefusal is one in the relay's words.
func ownRefusal(status int, code problem.Code, detail string) *omr.Failure {
	body, _ := json.Marshal(map[string]string{"code": string(code), "detail": detail, "status": strconv.Itoa(status)})
	return &omr.Failure{Call: "uploading", Refusal: &omr.Refusal{Status: status, Body: body}}
}

// codeOf is what a relay's problem document names, or nothing.
func codeOf(f *omr.Failure) problem.Code {
	var said struct{ Code problem.Code }
	if f.Refusal != nil {
		_ = json.Unmarshal(f.Refusal.Body, &said) // what does not decode says nothing
	}
	return said.Code
}

// saying is an error whose text is ours.
type saying string

func (s saying) Error() string    { return string(s) }
func (s saying) SafeText() string { return string(s) }

func waited(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
