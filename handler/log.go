package handler

import (
	"context"
	"log/slog"
	"time"

	"omr-relay/internal/callrecord"
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
	add(slog.String("event", string(inv.event.Kind)))
	if req := inv.event.Request; req != nil {
		add(slog.String("method", knownMethod(req.Method)))
		add(slog.String("route", inv.route))
		add(slog.Int("status", inv.status))
		if inv.record.UpstreamStatus != 0 {
			add(slog.Int("upstream_status", inv.record.UpstreamStatus))
		}
		if req.Caller.KeyID != "" {
			add(slog.String("api_key_id", req.Caller.KeyID))
		}
		if req.Caller.Principal != "" {
			add(slog.String("caller", req.Caller.Principal))
		}
		add(slog.Int("bytes_in", len(req.Body.B)))
		add(slog.Int("bytes_out", inv.bytesOut))
		if inv.record.Batch != "" {
			add(slog.String("batch", inv.record.Batch))
		}
		if n := inv.record.UploadBytes; n > 0 {
			add(slog.Int64("upload_bytes", n))
			h.metrics.Bytes("UploadBytes", n)
		}
		if err := inv.record.LedgerErr; err != nil {
			level = slog.LevelWarn
			add(slog.String("idempotency_error", err.Error()))
		}
	} else {
		add(slog.Bool("warm", inv.err == nil))
		if inv.err != nil {
			level = slog.LevelWarn
		}
	}
	if inv.record.Token != "" {
		add(slog.String("token", string(inv.record.Token)))
		if err := inv.record.RefreshErr; err != nil {
			add(slog.String("refresh_error", problem.From(err).Error()))
		}
		add(slog.Int("upstream_calls", inv.record.UpstreamCalls))
		addTasks(add, inv.record)
		add(millis("token_ms", inv.record.TokenTime))
		add(millis("upstream_ms", max(inv.upstream-inv.record.TokenTime, 0)))
		h.countCalls(inv)
	}
	add(millis("duration_ms", time.Since(inv.began)))
	if inv.err != nil {
		failure := problem.From(inv.err)
		level = max(level, severity(failure.Code))
		if inv.event.Request != nil {
			h.metrics.Count("Problems", 1, metric.Dimension{Name: "Code", Value: string(failure.Code)})
		}
		add(slog.String("code", string(failure.Code)))
		add(slog.String("error", failure.Error()))
	}
	h.log.LogAttrs(ctx, level, "invocation", attrs...)
}

// addTasks says what was submitted and asked for. The ids are there whatever has
// become of the answer: a submitted task is paid for.
func addTasks(add func(slog.Attr), record *callrecord.Record) {
	if record.Submissions+record.Polls == 0 {
		return
	}
	add(slog.Int("submissions", record.Submissions))
	add(slog.Int("polls", record.Polls))
	if len(record.Tasks) > 0 {
		add(slog.Any("tasks", record.Tasks))
	}
	if record.WaitErr != nil {
		add(slog.String("wait_error", record.WaitErr.Error()))
	}
}

// millis gives a duration in milliseconds, to the microsecond.
func millis(name string, d time.Duration) slog.Attr {
	return slog.Float64(name, float64(d.Microseconds())/1000)
}

// countCalls counts the calls that went upstream, each of which may cost, by
// the caller's key.
func (h *Handler) countCalls(inv *invocation) {
	if id := inv.event.Request.Caller.KeyID; id != "" && inv.record.UpstreamCalls > 0 {
		h.metrics.Count("UpstreamCalls", inv.record.UpstreamCalls, metric.Dimension{Name: "ApiKeyId", Value: id})
	}
}
