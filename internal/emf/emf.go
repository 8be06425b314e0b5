// Package emf writes counts in CloudWatch's embedded metric format:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
package emf

import (
	"encoding/json"
	"io"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// Namespace is the metrics' namespace in CloudWatch.
const Namespace = "omr-relay"

// Counter writes one line of JSON for each count, by one Write. The zero value
// writes nothing. It is as safe for concurrent use as its writer.
type Counter struct{ W io.Writer }

// Dimension splits a metric.
type Dimension struct{ Name, Value string }

// Count writes that n of name happened, now, in this function; by splits the
// metric further.
func (c Counter) Count(name string, n int, by ...Dimension) {
	if c.W == nil {
		return
	}
	type metric struct{ Name, Unit string }
	type directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []metric
	}
	line := map[string]any{"FunctionName": lambdacontext.FunctionName, name: n}
	dimensions := []string{"FunctionName"}
	for _, d := range by {
		line[d.Name] = d.Value
		dimensions = append(dimensions, d.Name)
	}
	line["_aws"] = map[string]any{
		"Timestamp":         time.Now().UnixMilli(),
		"CloudWatchMetrics": []directive{{Namespace, [][]string{dimensions}, []metric{{name, "Count"}}}},
	}
	text, _ := json.Marshal(line) // strings and numbers
	_, _ = c.W.Write(append(text, '\n'))
}
