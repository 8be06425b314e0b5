package metric_test

import (
	"context"
	"strings"
	"testing"

	"omr-relay/internal/metric"
)

// What callers may have made up is no trace.
func TestTraceOfTheInvocation(t *testing.T) {
	const root = "1-5bef4de7-ad49b0e87f6ef6c87fc2e700"
	for header, want := range map[string]string{
		"Root=" + root + ";Parent=9a9197af755a6419;Sampled=1": root,
		"Self=1-1-1; Root=" + root:                            root,
		"Root=" + root + "0":                                  "",
		"Root=" + strings.ToUpper(root):                       "",
		"Root=2" + root[1:]:                                   "",
		"Root=1-5bef4de70ad49b0e87f6ef6c87fc2e700":            "",
		"Root=canary":                                         "",
		"Parent=9a9197af755a6419":                             "",
		"":                                                    "",
	} {
		ctx := context.WithValue(t.Context(), "x-amzn-trace-id", header) //nolint:revive,staticcheck // the key is aws-lambda-go's
		line := `{"requestId":""`
		if want != "" {
			line += `,"xray_trace_id":"` + want + `"`
		}
		if got := written(ctx, t, true, func(*metric.Line) {}); got != line+"}\n" {
			t.Errorf("%s: %s", header, got)
		}
	}
}

// The examples of W3C's Trace Context, and what it rules out.
func TestTraceID(t *testing.T) {
	const id, rest = "4bf92f3577b34da6a3ce929d0e0e4736", "-00f067aa0ba902b7-01"
	for traceparent, want := range map[string]string{
		"00-" + id + rest: id,
		"cc-" + id + rest + "-what-the-future-holds": id,
		"00-" + id + rest + "-more":                  "",
		"cc-" + id + rest + ".more":                  "",
		"ff-" + id + rest:                            "",
		"00-" + strings.ToUpper(id) + rest:           "",
		"00-" + strings.Repeat("0", 32) + rest:       "",
		"00-" + id + "-0000000000000000-01":          "",
		"00-" + id + "-00f067aa0ba902b7-0x":          "",
		"00-" + id + "-00f067aa0ba902bg-01":          "",
		"0x-" + id + rest:                            "",
		"00_" + id + rest:                            "",
		"00-" + id + "_00f067aa0ba902b7-01":          "",
		"00-" + id + "-00f067aa0ba902b7_01":          "",
		"00-" + id:                                   "",
		"":                                           "",
	} {
		if got := metric.TraceID(traceparent); got != want {
			t.Errorf("%q: got %q, want %q", traceparent, got, want)
		}
	}
}
