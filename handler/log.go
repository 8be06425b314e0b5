package handler

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"omr-relay/internal/fault"
	"omr-relay/internal/trace"
)

// logInvocation writes the invocation's one line. It names the route and not
// the path, sizes and not contents; causes come as fault.Describe words them.
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
		add(slog.Int("bytes_in", len(req.body)))
		add(slog.Int("bytes_out", len(inv.answer.body)))
	} else {
		add(slog.Bool("warm", inv.err == nil))
		if inv.err != nil {
			level = slog.LevelWarn
		}
	}
	if inv.token.Token != "" {
		add(slog.String("token", string(inv.token.Token)))
		add(slog.Int("upstream_calls", inv.token.UpstreamCalls))
		add(millis("token_ms", inv.token.TokenTime))
		add(millis("upstream_ms", max(inv.call-inv.token.TokenTime, 0)))
		h.countToken(inv.token)
	}
	add(millis("duration_ms", time.Since(inv.began)))
	if inv.err != nil {
		failure := fault.From(inv.err)
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
func (h *Handler) recovered(inv *invocation, cause any) ([]byte, error) {
	inv.err = panicked(cause)
	switch {
	case inv.event == nil:
		return nil, inv.err
	case inv.event.warmup():
		return h.reportWarmUp(0, inv.err), nil
	}
	inv.answer = problem(inv.err, inv.id)
	return inv.answer.encode(inv.event.kind), nil
}

// panicked makes a fault of a recovered panic. The panic's value is not in it,
// for it may hold anything; where it happened is.
func panicked(cause any) error {
	return &fault.Error{Code: fault.Internal, Reason: fmt.Sprintf("panic (%T) at %s", cause, panicSite())}
}

// panicSite names the function that panicked, and the line.
func panicSite() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	for inPanic := false; ; {
		frame, more := frames.Next()
		switch {
		case frame.Function == "runtime.gopanic":
			inPanic = true
		case inPanic && len(frame.Function) > 8 && frame.Function[:8] != "runtime.":
			return fmt.Sprintf("%s:%d", frame.Function, frame.Line)
		}
		if !more {
			return "unknown"
		}
	}
}

// metrics writes counts in CloudWatch's embedded metric format:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
type metrics struct{ w io.Writer }

func (m metrics) count(name string, n int) {
	if m.w == nil {
		return
	}
	type metric struct{ Name, Unit string }
	type directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []metric
	}
	line, _ := json.Marshal(map[string]any{
		"_aws": map[string]any{
			"Timestamp":         time.Now().UnixMilli(),
			"CloudWatchMetrics": []directive{{"omr-relay", [][]string{{"FunctionName"}}, []metric{{name, "Count"}}}},
		},
		"FunctionName": lambdacontext.FunctionName,
		name:           n,
	})
	_, _ = m.w.Write(append(line, '\n'))
}

// countToken counts the tokens that invocations fetched, by why.
func (h *Handler) countToken(r *trace.Record) {
	switch {
	case r.Token == trace.Mint && r.UpstreamCalls > 0:
		h.metrics.count("TokenMints", 1)
	case r.Token == trace.SoftRefresh:
		h.metrics.count("TokenSoftRefreshes", 1)
	case r.Token == trace.Repair && r.UpstreamCalls > 1:
		h.metrics.count("TokenRepairs", 1)
	}
}
