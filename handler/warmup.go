package handler

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"omr-relay/internal/budget"
	"omr-relay/internal/problem"
	"omr-relay/internal/version"
)

// warmupMargin covers a ping that comes late: schedules keep to the minute.
const warmupMargin = time.Minute

// warmUp makes sure that the token outlives the time to the next ping and that
// a connection to the upstream is open. A failure is reported, not returned:
// an error would have Lambda repeat the event.
func (h *Handler) warmUp(ctx context.Context, inv *invocation) (report []byte) {
	defer func() {
		if cause := recover(); cause != nil {
			inv.err = problem.Panicked(cause)
			report = reportWarmUp(0, inv.err)
		}
	}()
	// A warm-up that takes longer keeps the environment from real calls.
	ctx, cancel := context.WithTimeout(ctx, budget.WarmUp)
	defer cancel()
	var connected error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer func() {
			if cause := recover(); cause != nil {
				connected = problem.Panicked(cause) // Invoke's own recover does not see this goroutine
			}
		}()
		connected = h.connect(ctx)
	})
	defer wg.Wait() // if Ensure panics: nothing outlives the invocation
	left, err := h.cfg.Tokens.Ensure(ctx, h.cfg.WarmupInterval+warmupMargin)
	wg.Wait()
	if err == nil {
		err = connected
	}
	inv.err = err
	return reportWarmUp(left, err)
}

// reportWarmUp puts the outcome into the contract's JSON.
func reportWarmUp(left time.Duration, err error) []byte {
	report := struct {
		Warm           bool         `json:"warm"`
		TokenExpiresIn int64        `json:"token_expires_in"`
		Code           problem.Code `json:"code,omitempty"`
	}{Warm: err == nil, TokenExpiresIn: int64(left / time.Second)}
	if err != nil {
		report.Code = problem.From(err).Code
	}
	out, _ := json.Marshal(report)
	return out
}

// connect opens a connection by a request that costs nothing: it carries no
// token and asks for nothing under /omr/. Any answer will do.
func (h *Handler) connect(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, h.cfg.BaseURL.JoinPath("/").String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", version.UserAgent)
	resp, err := h.cfg.Connect.RoundTrip(req)
	if err != nil {
		return upstreamFault(ctx, err, false)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	return resp.Body.Close()
}
