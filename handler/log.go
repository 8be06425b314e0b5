package handler

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"omr-relay/internal/metric"
	"omr-relay/internal/problem"
)

// logInvocation writes the invocation's one line. It names the route and not
// the path, sizes and not contents; causes come as problem.Describe words them.
func (h *Handler) logInvocation(ctx context.Context, inv *invocation) {
	level := slog.LevelInfo
	attrs := make([]slog.Attr, 0, 16)
	add := func(attr slog.Attr) { attrs = append(attrs, attr) }
	add(slog.String("requestId", inv.id))
	if inv.event == nil {
		// decode's errors name the kind of what came and quote nothing of it.
		h.log.LogAttrs(ctx, slog.LevelError, "invocation", append(attrs, slog.String("error", inv.err.Error()))...)
		return
	}
	add(slog.String("event", string(inv.event.kind)))
	if req := inv.event.request; req != nil {
		add(slog.String("method", knownMethod(req.method)))
		add(slog.String("route", string(inv.route)))
		add(slog.Int("status", inv.answer.status))
		if inv.token.UpstreamStatus != 0 {
			add(slog.Int("upstream_status", inv.token.UpstreamStatus))
		}
		if req.caller.keyID != "" {
			add(slog.String("api_key_id", req.caller.keyID))
		}
		if req.caller.identity != "" {
			add(slog.String("caller", req.caller.identity))
		}
		add(slog.Int("bytes_in", len(req.body.bytes)))
		add(slog.Int("bytes_out", len(inv.answer.body)+inv.out.relayed()))
	} else {
		add(slog.Bool("warm", inv.err == nil))
		if inv.err != nil {
			level = slog.LevelWarn
		}
	}
	if inv.token.Token != "" {
		add(slog.String("token", string(inv.token.Token)))
		if err := inv.token.RefreshErr; err != nil {
			add(slog.String("refresh_error", problem.From(err).Error()))
		}
		add(slog.Int("upstream_calls", inv.token.UpstreamCalls))
		add(millis("token_ms", inv.token.TokenTime))
		add(millis("upstream_ms", max(inv.call-inv.token.TokenTime, 0)))
		h.countCalls(inv)
	}
	add(millis("duration_ms", time.Since(inv.began)))
	if inv.err != nil {
		failure := problem.From(inv.err)
		if failure.Code == problem.Internal && inv.event.request != nil {
			level = slog.LevelError // a fault of ours, which whoever filters must see
		}
		add(slog.String("code", string(failure.Code)))
		add(slog.String("error", failure.Error()))
	}
	h.log.LogAttrs(ctx, level, "invocation", attrs...)
}

// knownMethod keeps a caller's inventions out of the log.
func knownMethod(method string) string {
	if slices.Contains(relayed, method) {
		return method
	}
	return "other"
}

// millis gives a duration in milliseconds, to the microsecond.
func millis(name string, d time.Duration) slog.Attr {
	return slog.Float64(name, float64(d.Microseconds())/1000)
}

// recovered answers an invocation that panicked.
func (h *Handler) recovered(inv *invocation, cause any, dst []byte) ([]byte, error) {
	inv.err = problem.Panicked(cause)
	switch {
	case inv.event == nil:
		return nil, inv.err
	case inv.event.warmup():
		return append(dst, h.reportWarmUp(0, inv.err)...), nil
	}
	if !inv.out.begun() {
		inv.answer = problemAnswer(inv.err, inv.id)
	}
	return h.deliver(inv, dst)
}

// countCalls counts the calls that went upstream, each of which may cost, by
// the caller's key.
func (h *Handler) countCalls(inv *invocation) {
	if id := inv.event.request.caller.keyID; id != "" && inv.token.UpstreamCalls > 0 {
		h.metrics.Count("UpstreamCalls", inv.token.UpstreamCalls, metric.Dimension{Name: "ApiKeyId", Value: id})
	}
}
