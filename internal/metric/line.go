package metric

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// Line collects the members of a log line. What is added as a metric is a member and
// a metric by one call, so that none is named that is not there. It belongs to one
// goroutine.
type Line struct {
	embedded bool
	attrs    []slog.Attr
	metrics  set
}

// NewLine returns a Line with the invocation's request id and its trace, as ctx has
// them. embedded says whether its metrics are for CloudWatch: else, and outside of
// Lambda, where nothing has a name, they are members like any other.
func NewLine(ctx context.Context, embedded bool) *Line {
	l := &Line{embedded: embedded && lambdacontext.FunctionName != "", attrs: make([]slog.Attr, 0, 32)}
	id := ""
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		id = lc.AwsRequestID
	}
	l.Text("requestId", id)
	if root := traceRoot(ctx); root != "" {
		l.Text("xray_trace_id", root)
	}
	return l
}

// Add adds a member that is no metric.
func (l *Line) Add(attr slog.Attr) { l.attrs = append(l.attrs, attr) }

// Text adds a member that is no metric.
func (l *Line) Text(name, value string) { l.Add(slog.String(name, value)) }

// Millis adds a duration in milliseconds that is no metric, to the microsecond.
func (l *Line) Millis(name string, d time.Duration) { l.Add(millis(name, d)) }

// Count adds a metric that is a whole number. by are the values of what splits it
// further, none of them empty, which become members as well.
func (l *Line) Count(m Metric, n int64, by ...string) {
	for i, name := range table[m].by {
		l.Text(name, by[i])
	}
	l.metric(m, slog.Int64(table[m].name, n))
}

// CountIfAny adds a metric that is not 0.
func (l *Line) CountIfAny(m Metric, n int, by ...string) {
	if n != 0 {
		l.Count(m, int64(n), by...)
	}
}

// Time adds a metric that is a time in milliseconds, to the microsecond.
func (l *Line) Time(m Metric, d time.Duration) { l.metric(m, millis(table[m].name, d)) }

func (l *Line) metric(m Metric, attr slog.Attr) {
	l.attrs = append(l.attrs, attr)
	l.metrics |= 1 << m
}

// Members returns all members, to be logged at once. It is the last call.
func (l *Line) Members() []slog.Attr {
	if l.embedded && l.metrics != 0 {
		l.Text(dimension, lambdacontext.FunctionName)
		l.Add(slog.Any("_aws", directive{time.Now(), l.metrics}))
	}
	return l.attrs
}

func millis(name string, d time.Duration) slog.Attr {
	return slog.Float64(name, float64(d.Microseconds())/1000)
}
