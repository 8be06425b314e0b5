package handler

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"omr-relay/handler/gateway"
	"omr-relay/internal/callrecord"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
)

// relay makes the upstream call and takes its answer, whatever the status.
func (h *Handler) relay(ctx context.Context, inv *invocation, t target) (*gateway.Answer, error) {
	if inv.event.Request.Fault != nil {
		return nil, inv.event.Request.Fault
	}
	req, err := h.upstreamRequest(ctx, inv.event.Request, t)
	if err != nil {
		return nil, err
	}
	// A RoundTripper, not a Client: redirects are the caller's to follow.
	resp, err := h.cfg.Relay.RoundTrip(req) //nolint:bodyclose // whoever carries the answer out closes it
	countRelayed(inv.record, req.Method, t)
	if err != nil {
		return nil, upstreamFault(ctx, err, inv.record.Sent)
	}
	body, length := content(req.Method, resp)
	answer := &gateway.Answer{
		Status: resp.StatusCode, Header: responseHeaders(resp.Header), Length: length,
		Body: &upstreamBody{ctx: ctx, inv: inv, from: body, closer: resp.Body},
	}
	if resp.StatusCode < 200 || resp.StatusCode > 599 {
		_ = answer.Body.Close()
		return nil, &problem.Error{Code: problem.UpstreamInvalidAnswer, Detail: "The upstream's answer has a status that is none. The call was made."}
	}
	return answer, nil
}

// countRelayed counts what the call is to the upstream. The paths of results are the
// v5 API's, of both of its queues.
func countRelayed(record *callrecord.Record, method string, t target) {
	// A call that was rejected with 401 made no work.
	sent := record.UpstreamCalls - record.Rejected
	switch {
	case method == http.MethodPost, method == http.MethodPut:
		record.Billable += sent
	case method == http.MethodGet && len(t.segments) == 4 && strings.HasPrefix(t.segments[0], "v5.") &&
		(strings.EqualFold(t.segments[3], "Get"+string(omr.Recognition)) || strings.EqualFold(t.segments[3], "Get"+string(omr.Generation))):
		record.Polls += sent
	}
}

// upstreamRequest builds the call: method, path, query and body as the event
// carries them.
func (h *Handler) upstreamRequest(ctx context.Context, in *gateway.Request, t target) (*http.Request, error) {
	header, err := requestHeaders(in.Header)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, in.Method, h.cfg.BaseURL.String(), http.NoBody)
	if err != nil {
		return nil, err // the base URL's fault: the method is on the allow-list
	}
	// With GetBody the transport can send the body again where nothing of it
	// has left yet, and after a 401.
	req.GetBody = func() (io.ReadCloser, error) { return http.NoBody, nil }
	if size := len(in.Body.B); size > 0 {
		req.ContentLength = int64(size)
		req.GetBody = in.Body.Reader
		if req.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
	}
	// Opaque goes on the request line byte for byte; Path would be encoded anew.
	req.URL.Opaque = strings.TrimSuffix(h.cfg.BaseURL.EscapedPath(), "/") + t.line
	req.URL.RawQuery = in.Query
	req.Header = header
	if in.Method == http.MethodPut || in.Method == http.MethodDelete {
		// Tells net/http that the call may be repeated on a fresh connection
		// when a kept one turns out dead. An empty list is not sent. A POST
		// never gets it: a second recognition would be paid for.
		req.Header["Idempotency-Key"] = []string{}
	}
	return req, nil
}

// content is the body of an answer to a request of that method, and its length if
// that is known. Some answers have none, whatever length they speak of (RFC 9110
// §6.4.1), and net/http misses it where HTTP/2 says so late.
func content(method string, resp *http.Response) (io.Reader, int64) {
	if method == http.MethodHead || resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified {
		return http.NoBody, 0
	}
	return resp.Body, resp.ContentLength
}

// upstreamBody is the answer's body, whose errors are the relay's own and whose
// reading counts as the upstream's time.
type upstreamBody struct {
	ctx    context.Context //nolint:containedctx // it ends the reading, and says why
	inv    *invocation
	from   io.Reader
	closer io.Closer
}

func (b *upstreamBody) Read(p []byte) (int, error) {
	b.inv.record.EnterUpstream()
	defer b.inv.record.LeaveUpstream()
	n, err := b.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = upstreamFault(b.ctx, err, b.inv.record.Sent)
	}
	return n, err
}

func (b *upstreamBody) Close() error { return b.closer.Close() }
