// Package metric writes an invocation's log line so that it is CloudWatch's source of
// metrics at once, in the embedded metric format:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
//
// Each file uses those below it:
//
//	record.go    what callrecord knows, as members
//	trace.go     which trace the invocation belongs to
//	line.go      Line: members, some of them metrics
//	directive.go _aws: which members are metrics, and of what
//	metric.go    the table of metrics
package metric

// Namespace is the metrics' namespace in CloudWatch.
const Namespace = "omr-relay"

// Metric is one of the table. It has one name, which is the member's of the log line
// as well.
type Metric int

// The metrics.
const (
	Calls Metric = iota
	Problems
	BytesIn
	BytesOut
	UploadBytes
	WarmUps
	WarmUpFailures
	ColdStarts
	TokenLifetimeLeft
	Repairs
	Mints
	MintFailures
	CredentialsRejected
	SecretReads
	UpstreamCalls
	BillableCalls
	Polls
	UpstreamTime
	Overhead
	count // of them
)

// table has each metric's name and unit and, where it is split further, the members
// whose values split it. Each set of values is a metric that is billed.
var table = [count]struct {
	name, unit string
	by         []string
}{
	Calls:               {"calls", unitCount, []string{"route", "status_class"}},
	Problems:            {"problems", unitCount, []string{"code"}},
	BytesIn:             {"bytes_in", unitBytes, nil},
	BytesOut:            {"bytes_out", unitBytes, nil},
	UploadBytes:         {"upload_bytes", unitBytes, nil},
	WarmUps:             {"warm_ups", unitCount, nil},
	WarmUpFailures:      {"warm_up_failures", unitCount, nil},
	ColdStarts:          {"cold_starts", unitCount, nil},
	TokenLifetimeLeft:   {"token_lifetime_left_s", unitSeconds, nil},
	Repairs:             {"repairs", unitCount, nil},
	Mints:               {"mints", unitCount, []string{"reason"}},
	MintFailures:        {"mint_failures", unitCount, nil},
	CredentialsRejected: {"credentials_rejected", unitCount, nil},
	SecretReads:         {"secret_reads", unitCount, nil},
	UpstreamCalls:       {"upstream_calls", unitCount, nil},
	BillableCalls:       {"billable_calls", unitCount, nil},
	Polls:               {"polls", unitCount, nil},
	UpstreamTime:        {"upstream_ms", unitMilliseconds, nil},
	Overhead:            {"overhead_ms", unitMilliseconds, nil},
}

// CloudWatch's units.
const (
	unitCount        = "Count"
	unitBytes        = "Bytes"
	unitSeconds      = "Seconds"
	unitMilliseconds = "Milliseconds"
)

// Name is the member and the metric.
func (m Metric) Name() string { return table[m].name }
