package handler

import (
	"context"

	"omr-relay/handler/gateway"
	"omr-relay/internal/problem"
)

// batch starts a batch of scans, tells of one, or ends it.
func (h *Handler) batch(ctx context.Context, inv *invocation, t target) (*gateway.Answer, error) {
	if h.batches == nil {
		return nil, &problem.Error{Code: problem.RouteNotFound,
			Detail: "There are no batches here: the template's parameter Scans=create makes a bucket and the state machine that they run on."}
	}
	return h.task(ctx, inv, t, h.batches)
}
