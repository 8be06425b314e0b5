package handler

import (
	"context"
	"io"
	"net/http"
	"strings"

	"omr-relay/handler/gateway"
)

// health says that the function runs. It asks nobody.
func (h *Handler) health(context.Context, *invocation, target) (*gateway.Answer, error) {
	header := http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}}
	return answerWith(http.StatusOK, header, `{"status":"ok"}`), nil
}

// answerWith is an answer of the relay's own.
func answerWith(status int, header http.Header, body string) *gateway.Answer {
	return &gateway.Answer{Status: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Length: int64(len(body))}
}
