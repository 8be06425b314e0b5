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
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"

	"omr-relay/internal/httpanswer"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
	"omr-relay/internal/recognition"
)

const (
	// settling is how long a submission is asked for again whose answer was lost.
	settling = time.Minute
	// The pauses between these calls, where the relay names none.
	firstPause = 250 * time.Millisecond
	maxPause   = 5 * time.Second
)

// uploadOptions are what an upload is recognized by.
type uploadOptions struct {
	pattern   []byte
	format    omr.Format
	threshold *int
}

// submit has an upload submitted and returns its task. The Idempotency-Key is the
// upload's id: where an answer is lost, the same call tells what became of it, and
// costs nothing. A failure that says that nothing was received is certain.
func (u *uploader) submit(ctx context.Context, upload string, o uploadOptions) (string, error) {
	lost := false
	end := time.Now().Add(settling)
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		id, err := u.recognize(ctx, upload, o)
		f, failed := errors.AsType[*omr.Failure](err)
		if !failed {
			return id, err
		}
		code := codeOf(f)
		switch lost = lost || mayHaveBegun(f, code); {
		case code == problem.SubmissionUnknown:
			return "", unknown("the relay broke off while it submitted the scan")
		case !lost:
			return "", err
		}
		if f.Refusal != nil {
			pause = max(pause, f.Refusal.RetryAfter)
		}
		if time.Now().Add(pause).After(end) || !recognition.Sleep(ctx, pause) {
			return "", unknown("no answer came, nor did asking again bring one")
		}
	}
}

// mayHaveBegun reports whether the relay may have begun to submit: it says so, or
// somebody else answers in its place, or nobody. What the relay says else is certain.
func mayHaveBegun(f *omr.Failure, code problem.Code) bool {
	switch code {
	case problem.RequestInProgress:
		return true
	case "", problem.Internal:
		return f.MayHaveArrived
	}
	foreign := strings.ToUpper(string(code)) == string(code) // API Gateway's words
	return foreign && f.MayHaveArrived
}

func unknown(why string) error {
	return &omr.Failure{Call: "submitting", MayHaveArrived: true, Err: problem.Constant(why)}
}

// recognize makes the call.
func (u *uploader) recognize(ctx context.Context, upload string, o uploadOptions) (string, error) {
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
	said, err := u.post(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { sent = true },
	}), "recognize", text, http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {upload}, "Prefer": {"wait=0"}})
	if err != nil {
		return "", &omr.Failure{Call: "submitting", MayHaveArrived: sent, Err: err}
	}
	var location string
	switch said.status {
	case http.StatusAccepted:
		location = said.header.Get("Location")
	case http.StatusOK: // it was asked for again, and is ready
		location = said.header.Get("Content-Location")
	default:
		return "", said.refusal("submitting")
	}
	id := location[strings.LastIndexByte(location, '/')+1:]
	if !omr.ValidID(id) {
		return "", unknown("the relay's answer names no task")
	}
	return id, nil
}

// said is an answer of the relay's, read to its end.
type said struct {
	status int
	header http.Header
	body   []byte // 64 KB at most
}

func (s *said) refusal(call string) *omr.Failure {
	return &omr.Failure{Call: call, MayHaveArrived: s.status >= 500, Refusal: &omr.Refusal{
		Status: s.status, ContentType: s.header.Get("Content-Type"), Body: s.body, RetryAfter: httpanswer.RetryAfter(s.header, time.Now()),
	}}
}

func (u *uploader) post(ctx context.Context, route string, body []byte, header http.Header) (*said, error) {
	return u.call(ctx, http.MethodPost, route, body, header)
}

// call makes a call to the relay.
func (u *uploader) call(ctx context.Context, method, route string, body []byte, header http.Header) (*said, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.base.JoinPath(route).String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("building the call: %w", err)
	}
	maps.Copy(req.Header, u.header)
	maps.Copy(req.Header, header)
	resp, err := u.relay.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxKept))
	return &said{resp.StatusCode, resp.Header, text}, err
}

// codeOf is what a problem document names, or nothing.
func codeOf(f *omr.Failure) problem.Code {
	var said struct{ Code problem.Code }
	if f.Refusal != nil {
		_ = json.Unmarshal(f.Refusal.Body, &said) // what does not decode says nothing
	}
	return said.Code
}
