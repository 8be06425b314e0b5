package handler

import (
	"context"
	"net/http"

	"omr-relay/handler/gateway"
)

// recognize answers scans with what is marked on them.
func (h *Handler) recognize(ctx context.Context, inv *invocation, t target) (*gateway.Answer, error) {
	return h.task(ctx, inv, t, h.recognizer)
}

// generate answers markup with a form to print.
func (h *Handler) generate(ctx context.Context, inv *invocation, t target) (*gateway.Answer, error) {
	return h.task(ctx, inv, t, h.generator)
}

func (h *Handler) task(ctx context.Context, inv *invocation, t target, of tasks) (*gateway.Answer, error) {
	req := inv.event.Request
	if req.Fault != nil {
		return nil, req.Fault
	}
	switch req.Method {
	case http.MethodPost:
		return of.Post(ctx, req)
	case http.MethodGet:
		return of.Get(ctx, req, t.segments[1])
	default:
		return of.Delete(ctx, req, t.segments[1])
	}
}
