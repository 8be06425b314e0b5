package metric_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/metric"
	"omr-relay/internal/metric/metrictest"
)

func TestMain(m *testing.M) {
	lambdacontext.FunctionName = "relay"
	os.Exit(m.Run())
}

// written is the line without what slog puts before it.
func written(ctx context.Context, t *testing.T, embedded bool, add func(*metric.Line)) string {
	t.Helper()
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey {
			return slog.Attr{}
		}
		return a
	}}))
	line := metric.NewLine(ctx, embedded)
	add(line)
	log.LogAttrs(ctx, slog.LevelInfo, "done", line.Members()...)
	if err := metrictest.Check(out.Bytes()); err != nil {
		t.Errorf("%v: %s", err, &out)
	}
	return out.String()
}

func TestLine(t *testing.T) {
	some := func(l *metric.Line) {
		l.Text("what", "a\"b")
		l.Count(metric.Calls, 1, "/r", "2xx")
		l.Time(metric.Overhead, 1234567*time.Nanosecond)
		l.CountIfAny(metric.Repairs, 0)
	}
	const members = `{"requestId":"","what":"a\"b","route":"/r","status_class":"2xx","calls":1,"overhead_ms":1.234`
	const group = `{"Namespace":"omr-relay","Dimensions":[["FunctionName"]`
	for name, test := range map[string]struct {
		embedded bool
		add      func(*metric.Line)
		want     string
	}{
		"metrics": {true, some, members + `,"FunctionName":"relay","_aws":{"Timestamp":946684800000,"CloudWatchMetrics":[` +
			group + `,["FunctionName","route","status_class"]],"Metrics":[{"Name":"calls","Unit":"Count"}]},` +
			group + `],"Metrics":[{"Name":"overhead_ms","Unit":"Milliseconds"}]}]}}`},
		"not for CloudWatch": {false, some, members + "}"},
		"none":               {true, func(*metric.Line) {}, `{"requestId":""}`},
		"only what is split": {true, func(l *metric.Line) { l.Count(metric.Problems, 1, "c") }, `{"requestId":"","code":"c","problems":1,"FunctionName":"relay","_aws":{"Timestamp":946684800000,"CloudWatchMetrics":[` +
			group + `,["FunctionName","code"]],"Metrics":[{"Name":"problems","Unit":"Count"}]}]}}`},
	} {
		synctest.Test(t, func(t *testing.T) {
			if got := written(t.Context(), t, test.embedded, test.add); got != test.want+"\n" {
				t.Errorf("%s: wrote\n%s, want\n%s", name, got, test.want)
			}
		})
	}
}

// All of them at once are what CloudWatch takes.
func TestLineOfAllMetrics(t *testing.T) {
	got := written(t.Context(), t, true, func(l *metric.Line) {
		for _, m := range []metric.Metric{metric.BytesIn, metric.BytesOut, metric.UploadBytes, metric.WarmUps, metric.WarmUpFailures, metric.ColdStarts} {
			l.Count(m, 1)
		}
		l.Count(metric.Calls, 1, "r", "2xx")
		l.Count(metric.Problems, 1, "c")
		l.Time(metric.Overhead, time.Millisecond)
		l.Invocation(&callrecord.Record{
			Token: callrecord.Repair, TokenTime: 1, TokenLeft: time.Second, Repairs: 1, UpstreamCalls: 1, Billable: 1, Polls: 1, Tasks: []string{"t"},
			Minting: callrecord.Minting{Mints: 1, Reason: callrecord.Repaired, MintFailures: 1, CredentialsRejected: 1, SecretReads: 1},
		})
	})
	if n := strings.Count(got, `"Unit"`); n != 19 {
		t.Errorf("%d metrics: %s", n, got)
	}
}
