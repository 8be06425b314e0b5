// Package handler is what the relay does with a request. It knows neither AWS
// clients nor where credentials and tokens come from: those stand behind an
// [http.RoundTripper].
//
// Each file uses those below it:
//
//	handler.go      Respond: event in, answer out
//	response.go     an answer on its way out
//	routes.go       which function answers which path
//	passthrough.go  a call that is relayed as it is
//	batches.go      many scans, while nobody waits: package batches
//	tasks.go        what the upstream queues, in one call: package recognize
//	uploads.go      a form for what is too large for a call
//	tokens.go       a token request of an official SDK
//	health.go       alive, and described
//	warmup.go       the scheduled ping
//	log.go          the one log line
//	headers.go      what is forwarded each way
//	path.go         which paths are refused
//	config.go       what a Handler is made of
//	cors.go         what a page in a browser may do
//	problem.go      failures → problem documents, one table
//	invocation.go   what is known of the event at hand
package handler

import (
	"bytes"
	"context"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"omr-relay/handler/gateway"
	"omr-relay/internal/budget"
	"omr-relay/internal/callrecord"
	"omr-relay/internal/problem"
)

// Invoke implements lambda.Handler: it is Respond with an answer that always
// goes whole.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	r, err := h.respond(ctx, payload, false)
	if err != nil {
		return nil, err
	}
	defer r.Done(nil)
	text, _ := r.Whole()
	return bytes.Clone(text), nil
}

// Respond answers one event: an HTTP event with an answer for its caller, a
// warm-up with a report. Anything else is an error that names what came, and no
// call is made for it. The Response is written out and then told so by Done;
// nothing of payload is used after that. Respond and the Response's WriteTo
// return before ctx's deadline, less a reserve to carry the answer out, if
// whoever takes the answer keeps up.
func (h *Handler) Respond(ctx context.Context, payload []byte) (*Response, error) {
	return h.respond(ctx, payload, h.cfg.Streaming)
}

func (h *Handler) respond(ctx context.Context, payload []byte, streaming bool) (*Response, error) {
	inv := &invocation{id: requestID(ctx), began: time.Now(), first: h.served.CompareAndSwap(false, true)}
	ctx, cancel := withinBudget(ctx)
	ctx, inv.record = callrecord.With(ctx)
	r := &Response{handler: h, inv: inv, ctx: ctx, cancel: cancel}
	if inv.event, inv.err = gateway.Decode(payload); inv.err != nil {
		r.Done(nil)
		return nil, inv.err
	}
	if inv.event.Request == nil {
		r.outgoing = gateway.Report(h.warmUp(ctx, inv))
	} else {
		r.begin(h.answer(ctx, inv), streaming && inv.event.Streams)
	}
	return r, nil
}

// answer answers an HTTP event. It does not fail, nor panic: a problem is an
// answer, too.
func (h *Handler) answer(ctx context.Context, inv *invocation) (a *gateway.Answer) {
	defer func() {
		if cause := recover(); cause != nil {
			inv.err = problem.Panicked(cause)
		}
		if inv.err != nil {
			a = problemAnswer(inv.err, inv.id)
		}
		h.cors.mark(a.Header)
	}()
	if a = h.cors.preflight(inv.event.Request); a == nil {
		a, inv.err = h.serve(ctx, inv)
	}
	return a
}

// serve finds the route and has it answer.
func (h *Handler) serve(ctx context.Context, inv *invocation) (*gateway.Answer, error) {
	req := inv.event.Request
	if inv.event.Size > gateway.MaxPayload {
		return nil, errPayloadTooLarge()
	}
	t, err := cleanPath(req.Path)
	if err != nil {
		return nil, err
	}
	route, err := findRoute(req.Method, t)
	inv.route = route.name
	if err != nil {
		return nil, err
	}
	return route.serve(h, ctx, inv, t)
}

// errPayloadTooLarge says what counts: an event has 6 MB, and base64 makes four
// bytes of three.
func errPayloadTooLarge() error {
	return &problem.Error{Code: problem.PayloadTooLarge,
		Detail: "The request is larger than the 6 MB that Lambda takes, base64 and headers included: files of about 4,400,000 bytes in all."}
}

// withinBudget keeps a reserve of the invocation's time to carry the answer
// out: a slow upstream becomes an answer of ours and never Lambda's timeout.
func withinBudget(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithTimeout(ctx, budget.Undeadlined)
	}
	reserve := min(budget.AnswerReserve, time.Until(deadline)/10)
	return context.WithDeadline(ctx, deadline.Add(-reserve))
}

func requestID(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.AwsRequestID
	}
	return ""
}
