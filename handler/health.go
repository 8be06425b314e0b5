package handler

import (
	"context"
	"net/http"

	"omr-relay/handler/gateway"
	"omr-relay/handler/openapi"
)

// describe gives the OpenAPI description of all routes.
func (h *Handler) describe(context.Context, *invocation, target) (*gateway.Answer, error) {
	header := http.Header{"Content-Type": {"application/json"}}
	return answerWith(http.StatusOK, header, string(openapi.Document())), nil
}

// health says that the function runs. It asks nobody.
func (h *Handler) health(context.Context, *invocation, target) (*gateway.Answer, error) {
	header := http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}}
	return answerWith(http.StatusOK, header, `{"status":"ok"}`), nil
}
