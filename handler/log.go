package handler

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/metric"
	"omr-relay/internal/problem"
)

// logInvocation writes the invocation's one line, whose numbers are CloudWatch's
// metrics. It names the route and not the path, sizes and not contents; causes come as
// problem.Describe words them.
func (h *Handler) logInvocation(ctx context.Context, inv *invocation) {
	line := metric.NewLine(ctx, h.cfg.Metrics)
	if inv.first {
		line.Count(metric.ColdStarts, 1)
		all := h.prefetched
		all.Add(inv.record.Minting)
		inv.record.Minting = all
	}
	var level slog.Level
	switch {
	case inv.event == nil:
		level = slog.LevelError
		line.Minting(inv.record.Minting)
		// decode's errors name the kind of what came and quote nothing of it.
		line.Text("error", inv.err.Error())
	case inv.event.Request != nil:
		level = logCall(line, inv)
	default:
		level = logWarmUp(line, inv)
	}
	h.log.LogAttrs(ctx, level, "invocation", line.Members()...)
}

// logCall tells of an HTTP event.
func logCall(line *metric.Line, inv *invocation) slog.Level {
	req, record, level := inv.event.Request, inv.record, slog.LevelInfo
	line.Text("event", string(inv.event.Kind))
	if id := metric.TraceID(req.Header.Get("Traceparent")); id != "" {
		line.Text("trace_id", id)
	}
	line.Text("method", knownMethod(req.Method))
	route := inv.route
	if route == "" {
		route = "other"
	}
	line.Count(metric.Calls, 1, route, statusClass(inv.status))
	line.Add(slog.Int("status", inv.status))
	if record.UpstreamStatus != 0 {
		line.Add(slog.Int("upstream_status", record.UpstreamStatus))
	}
	if req.Caller.KeyID != "" {
		line.Text("api_key_id", req.Caller.KeyID)
	}
	if req.Caller.Principal != "" {
		line.Text("caller", req.Caller.Principal)
	}
	line.Count(metric.BytesIn, int64(len(req.Body.B)))
	line.Count(metric.BytesOut, int64(inv.bytesOut))
	if record.Batch != "" {
		line.Text("batch", record.Batch)
	}
	if record.UploadBytes > 0 {
		line.Count(metric.UploadBytes, record.UploadBytes)
	}
	if err := record.LedgerErr; err != nil {
		level = slog.LevelWarn
		line.Text("idempotency_error", err.Error())
	}
	line.Invocation(record)
	took := time.Since(inv.began)
	if record.UpstreamCalls > 0 {
		line.Time(metric.Overhead, max(took-record.UpstreamTime()-record.Waited-inv.taken, 0))
	}
	line.Millis("duration_ms", took)
	if err := record.RefreshErr; err != nil {
		line.Text("refresh_error", problem.From(err).Error())
	}
	if record.WaitErr != nil {
		line.Text("wait_error", record.WaitErr.Error())
	}
	if inv.err != nil {
		failure := problem.From(inv.err)
		level = max(level, severity(failure.Code))
		line.Count(metric.Problems, 1, cmp.Or(string(failure.Code), string(problem.Internal)))
		line.Text("error", failure.Error())
	}
	return level
}

// logWarmUp tells of a warm-up. No call had to wait for what it minted.
func logWarmUp(line *metric.Line, inv *invocation) slog.Level {
	level, failures := slog.LevelInfo, int64(0)
	if inv.err != nil {
		level, failures = slog.LevelWarn, 1
	}
	if inv.record.Reason == callrecord.Expired {
		inv.record.Reason = callrecord.WarmUp
	}
	line.Text("event", string(inv.event.Kind))
	line.Add(slog.Bool("warm", inv.err == nil))
	line.Count(metric.WarmUps, 1)
	line.Count(metric.WarmUpFailures, failures)
	line.Invocation(inv.record)
	line.Millis("duration_ms", time.Since(inv.began))
	if inv.err != nil {
		failure := problem.From(inv.err)
		level = max(level, severity(failure.Code))
		line.Text("code", string(failure.Code))
		line.Text("error", failure.Error())
	}
	return level
}

// statusClass is the hundred that an answer's status is of.
func statusClass(status int) string { return string(rune('0'+status/100)) + "xx" }
