// Package omr is a client of Aspose.OMR Cloud's v5 API: it submits a task,
// fetches its result and cancels it. It knows nothing of who asks. The Bearer
// comes from the [http.RoundTripper] that it is given.
//
// Each file uses those below it:
//
//	omr.go      Client: the calls
//	pace.go     Pace: when to ask for a result
//	cell.go     PlainCell: cells that no spreadsheet runs
//	elements.go a result's table
//	result.go   an answer to a fetch, and what its status means
//	task.go     what is submitted, encoded while it is sent
//	failure.go  how a call failed, and whether it may have been received
//
// Sources: https://docs.aspose.cloud/omr/ and the official v5 SDKs.
package omr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/problem"
)

// Client makes the calls. It keeps nothing and is safe for concurrent use.
//
// Every method makes one call, reads all of its answer and closes it, and blocks
// until ctx ends at the latest. What fails is a [*Failure]. What a call costs
// goes into ctx's [callrecord.Record], and so does a task's id, at once: whatever
// happens afterwards, it is known.
type Client struct {
	// Transport attaches the Bearer, and repairs a 401. Required.
	Transport http.RoundTripper
	// BaseURL is where /v5.0/omr begins. Required.
	BaseURL *url.URL
	// Header is sent with every call, besides what the call itself needs. It is
	// not changed.
	Header http.Header
}

// Service is one of the API's two queues.
type Service string

// The services.
const (
	Recognition Service = "RecognizeTemplate"
	Generation  Service = "GenerateTemplate"
)

// The most that is read of an answer. A generated form is some pages of PNG and
// a pattern of a few hundred kilobytes, in base64; what Lambda can hand on
// is 6 MB.
const (
	maxResult  = 16 << 20
	maxRefusal = 64 << 10
)

// Submit queues a task and returns its id, which fits into a path and a query as
// it is.
func (c *Client) Submit(ctx context.Context, s Service, task *Task) (id string, err error) {
	ctx, record, join := callrecord.Fork(ctx)
	defer join()
	out := &sending{task: task}
	body, err := out.open()
	if err != nil {
		return "", &Failure{Call: "submitting", Err: documentFault(err)}
	}
	answer, err := c.call(ctx, record, &request{
		what: "submitting", method: http.MethodPost, path: "/Post" + string(s), accept: "text/plain, application/json",
		service: s, body: body, out: out,
	})
	if arrived(record) {
		record.Billable++
	}
	if err != nil {
		return "", err
	}
	id = strings.Trim(strings.TrimSpace(string(answer)), `"`) // JSON is its right, too
	if !ValidID(id) {
		return "", &Failure{Call: "submitting", MayHaveArrived: true, Err: errNoID}
	}
	record.Tasks = append(record.Tasks, id)
	return id, nil
}

// arrived reports whether the upstream took a call, or may have: not if all that it
// said was 401.
func arrived(record *callrecord.Record) bool {
	return record.UpstreamCalls > record.Rejected || record.UpstreamCalls == 0 && record.Sent
}

// ValidID reports whether id could be a task's: what may stand in a path, a query
// and a log as it is.
func ValidID(id string) bool {
	const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	return id != "" && len(id) <= 64 && strings.IndexByte(alphanumeric, id[0]) >= 0 && strings.Trim(id, alphanumeric+"._-") == ""
}

// Fetch asks for a task's result once.
func (c *Client) Fetch(ctx context.Context, s Service, id string) (*Result, error) {
	ctx, record, join := callrecord.Fork(ctx)
	defer join()
	r := &request{what: "fetching", method: http.MethodGet, path: "/Get" + string(s), id: id, accept: "application/json", service: s}
	answer, err := c.call(ctx, record, r)
	if arrived(record) {
		record.Polls++
	}
	if err != nil {
		return nil, err
	}
	result, err := parseResult(answer)
	if err != nil {
		return nil, &Failure{Call: "fetching", MayHaveArrived: true, Err: err}
	}
	if r.shows != nil && result.contains(r.shows) {
		return nil, &Failure{Call: "fetching", MayHaveArrived: true, Err: errEchoed()}
	}
	return result, nil
}

// errEchoed is the token path's own, for what only shows once it is decoded.
func errEchoed() error {
	return &problem.Error{Code: problem.UpstreamEchoedToken, Detail: "The upstream's answer repeats the access token, and is withheld.",
		Reason: "the upstream's result, decoded, repeats the access token"}
}

// Cancel ends a task, or does nothing if there is none.
func (c *Client) Cancel(ctx context.Context, s Service, id string) error {
	ctx, record, join := callrecord.Fork(ctx)
	defer join()
	_, err := c.call(ctx, record, &request{
		what: "cancelling", method: http.MethodDelete, id: id, accept: "*/*", service: s,
	})
	return err
}

// request is a call to be made.
type request struct {
	what, method string // what it does, in a word for errors
	service      Service
	path         string // after the service's own
	id           string
	accept       string
	body         io.ReadCloser // nil is none
	out          *sending      // what body is of

	// shows is of the answer's body, where the transport guards a token: it
	// searches what was decoded. nil is no token.
	shows func([]byte) bool
}

// call returns the answer's body if its status is a success.
func (c *Client) call(ctx context.Context, record *callrecord.Record, r *request) ([]byte, error) {
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return nil, &Failure{Call: r.what, Err: err}
	}
	// A RoundTripper, not a Client: a redirect must not carry a form elsewhere.
	resp, err := c.Transport.RoundTrip(req)
	if err != nil {
		return nil, r.failure(ctx, record, err)
	}
	if guarded, ok := resp.Body.(interface{ Shows(text []byte) bool }); ok {
		r.shows = guarded.Shows
	}
	limit := maxResult
	success := resp.StatusCode >= 200 && resp.StatusCode <= 299
	if !success {
		limit = maxRefusal
	}
	body, err := read(resp, limit, record)
	switch {
	case success && err != nil:
		return nil, &Failure{Call: r.what, MayHaveArrived: true, Err: err}
	case !success:
		return nil, refusal(r.what, resp, body)
	}
	return body, nil
}

// failure is that of a call without an answer. Where a document broke off, so did the
// request, before its end: nobody takes half of one.
func (r *request) failure(ctx context.Context, record *callrecord.Record, err error) *Failure {
	if e, ok := errors.AsType[*documentError](err); ok {
		return &Failure{Call: r.what, Err: e.err}
	}
	if r.out != nil && ctx.Err() != nil {
		// The transport and the document lose the context at once, and either may be
		// the first to say so.
		if fault := r.out.fault(); fault != nil {
			return &Failure{Call: r.what, Err: fault}
		}
	}
	return &Failure{Call: r.what, MayHaveArrived: record.Sent && !refusedToken(err), Err: err}
}

func (c *Client) newRequest(ctx context.Context, r *request) (*http.Request, error) {
	target := *c.BaseURL
	target.Path = strings.TrimSuffix(target.Path, "/") + "/v5.0/omr/" + string(r.service) + r.path
	target.RawPath = ""
	if r.id != "" {
		target.RawQuery = "id=" + url.QueryEscape(r.id)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("building the call: %w", err)
	}
	if c.Header != nil {
		req.Header = c.Header.Clone()
	}
	req.Header.Set("Accept", r.accept)
	req.Header.Set("Accept-Encoding", "identity") // an answer must be readable, and searchable for what it may not show
	if req.Header.Get("User-Agent") == "" {
		req.Header["User-Agent"] = []string{""} // keeps net/http from inventing one
	}
	switch r.method {
	case http.MethodPost:
		req.Header.Set("Content-Type", "application/json")
		req.ContentLength, req.Body, req.GetBody = r.out.task.size, r.body, r.out.open
	case http.MethodDelete:
		// Tells net/http that the call may be made again when a kept connection
		// turns out dead. An empty list is not sent. A submission never has it:
		// a second one would be paid for.
		req.Header["Idempotency-Key"] = []string{}
	}
	return req, nil
}

// read takes limit bytes at most, and closes the answer. Closing may wait for a
// token refresh that the call began.
func read(resp *http.Response, limit int, record *callrecord.Record) ([]byte, error) {
	defer resp.Body.Close()
	if coding := resp.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, errEncoded
	}
	record.EnterUpstream()
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
	record.LeaveUpstream()
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if len(body) > limit {
		return nil, errTooLarge
	}
	return body, nil
}
