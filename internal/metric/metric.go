// Package metric writes counts in CloudWatch's embedded metric format:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
package metric

import (
	"io"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"omr-relay/internal/jsonscan"
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
func (c Counter) Count(name string, n int, by ...Dimension) { c.write(name, int64(n), "Count", by) }

// Bytes writes that n bytes of name passed, now, through this function.
func (c Counter) Bytes(name string, n int64) { c.write(name, n, "Bytes", nil) }

func (c Counter) write(name string, n int64, unit string, by []Dimension) {
	if c.W == nil {
		return
	}
	// Written out: there is one in most invocations' way.
	line := append(make([]byte, 0, 512), `{"FunctionName":`...)
	line = quote(line, lambdacontext.FunctionName)
	dimensions := append(make([]byte, 0, 128), `["FunctionName"`...)
	for _, d := range by {
		line = append(quote(append(line, ','), d.Name), ':')
		line = quote(line, d.Value)
		dimensions = quote(append(dimensions, ','), d.Name)
	}
	line = append(quote(append(line, ','), name), ':')
	line = strconv.AppendInt(line, n, 10)
	line = append(line, `,"_aws":{"Timestamp":`...)
	line = strconv.AppendInt(line, time.Now().UnixMilli(), 10)
	line = append(line, `,"CloudWatchMetrics":[{"Namespace":"`+Namespace+`","Dimensions":[`...)
	line = append(append(line, dimensions...), `]],"Metrics":[{"Name":`...)
	line = quote(line, name)
	line = append(line, `,"Unit":"`+unit+"\"}]}]}}\n"...)
	_, _ = c.W.Write(line)
}

// quote appends a name, which has nothing in it but UTF-8.
func quote(line []byte, name string) []byte { return jsonscan.AppendQuoted(line, []byte(name)) }
