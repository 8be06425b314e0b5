package handler

import (
	"encoding/json"
	"io"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"omr-relay/internal/trace"
)

// metrics writes counts in CloudWatch's embedded metric format:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
type metrics struct{ w io.Writer }

func (m metrics) count(name string, n int) { m.countBy(name, n) }

// dimension splits a metric.
type dimension struct{ name, value string }

func (m metrics) countBy(name string, n int, by ...dimension) {
	if m.w == nil {
		return
	}
	line := map[string]any{"FunctionName": lambdacontext.FunctionName, name: n}
	dimensions := []string{"FunctionName"}
	for _, d := range by {
		line[d.name] = d.value
		dimensions = append(dimensions, d.name)
	}
	type metric struct{ Name, Unit string }
	type directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []metric
	}
	line["_aws"] = map[string]any{
		"Timestamp":         time.Now().UnixMilli(),
		"CloudWatchMetrics": []directive{{"omr-relay", [][]string{dimensions}, []metric{{name, "Count"}}}},
	}
	text, _ := json.Marshal(line)
	_, _ = m.w.Write(append(text, '\n'))
}

// countCalls counts the calls that went upstream, each of which may cost, by
// the caller's key.
func (h *Handler) countCalls(inv *invocation) {
	if id := inv.event.request.caller.keyID; id != "" && inv.token.UpstreamCalls > 0 {
		h.metrics.countBy("UpstreamCalls", inv.token.UpstreamCalls, dimension{"ApiKeyId", id})
	}
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
