package handler

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"omr-relay/internal/problem"
)

// relay makes the upstream call and takes its answer, whatever the status.
func (h *Handler) relay(ctx context.Context, inv *invocation, t target) error {
	req, err := h.upstreamRequest(ctx, inv.event.request, t)
	if err != nil {
		return err
	}
	began := time.Now()
	// A RoundTripper, not a Client: redirects are the caller's to follow.
	resp, err := h.cfg.Relay.RoundTrip(req)
	if err != nil {
		inv.call = time.Since(began)
		return upstreamFault(ctx, err, inv.token.Sent)
	}
	body, size := content(req.Method, resp)
	if inv.out == nil {
		err = inv.take(ctx, resp, body, size)
	} else {
		err = inv.forward(ctx, resp, body, size)
	}
	inv.call = time.Since(began) - inv.out.waited()
	// Close may wait for a token refresh: that is neither the upstream's time
	// nor its failure.
	_ = resp.Body.Close()
	return err
}

// upstreamRequest builds the call: method, path, query and body as the event
// carries them.
func (h *Handler) upstreamRequest(ctx context.Context, in *request, t target) (*http.Request, error) {
	header, err := requestHeaders(in.header)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, in.method, h.cfg.BaseURL.String(), http.NoBody)
	if err != nil {
		return nil, err // the base URL's fault: the method is on the allow-list
	}
	// With GetBody the transport can send the body again where nothing of it
	// has left yet, and after a 401.
	req.GetBody = func() (io.ReadCloser, error) { return http.NoBody, nil }
	if size := len(in.body.bytes); size > 0 {
		req.ContentLength = int64(size)
		req.GetBody = in.body.reader
		if req.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
	}
	// Opaque goes on the request line byte for byte; Path would be encoded anew.
	req.URL.Opaque = strings.TrimSuffix(h.cfg.BaseURL.EscapedPath(), "/") + t.line
	req.URL.RawQuery = in.query
	req.Header = header
	if in.method == http.MethodPut || in.method == http.MethodDelete {
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

// take makes the upstream's answer the invocation's, refusing one that could not
// be returned.
func (inv *invocation) take(ctx context.Context, resp *http.Response, body io.Reader, size int64) error {
	if size > maxPayload {
		return errTooLarge()
	}
	// One byte more tells the end without another buffer.
	inv.reply = replies.take(int(max(size, 0)) + 1)
	if err := inv.reply.readFrom(body, maxPayload+1); err != nil {
		return upstreamFault(ctx, err, inv.token.Sent)
	}
	if len(inv.reply.bytes) > maxPayload {
		return errTooLarge()
	}
	inv.answer = &answer{status: resp.StatusCode, header: responseHeaders(resp.Header), body: inv.reply.bytes}
	return nil
}

// upstreamFault says what a failed call means, and whether the caller can make
// it again without paying twice. Failures of the token path arrive as faults
// already.
func upstreamFault(ctx context.Context, err error, sent bool) error {
	if e, ok := errors.AsType[*problem.Error](err); ok {
		return e
	}
	received := " The call was not sent."
	if sent {
		received = " It may have received the call."
	}
	if ctx.Err() != nil {
		return &problem.Error{Code: problem.UpstreamTimeout, Detail: "The upstream did not answer in time." + received, Err: err}
	}
	return &problem.Error{Code: problem.UpstreamUnreachable, Detail: "The upstream could not be reached, or broke off." + received, Err: err}
}
