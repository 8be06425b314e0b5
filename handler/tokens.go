package handler

import (
	"context"

	"omr-relay/handler/gateway"
	"omr-relay/internal/apikey"
)

// relayToken hands a client of an official SDK its own key back as a token.
func (h *Handler) relayToken(_ context.Context, inv *invocation, _ target) (*gateway.Answer, error) {
	req := inv.event.Request
	body := req.Body.B
	if req.Fault != nil {
		body = nil // whatever it holds, it is no form
	}
	status, header, text := apikey.Exchange(req.Header, body)
	return answerWith(status, header, string(text)), nil
}
