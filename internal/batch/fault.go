package batch

import (
	"fmt"

	"omr-relay/internal/problem"
)

// Name is how the state machine knows a Fault: its Retry and Catch go by it, and the
// execution that fails shows it.
type Name string

// The names. None of them is retried but Unavailable.
const (
	BadInput            Name = "BadInput"
	PatternMissing      Name = "PatternMissing"
	TooManySheets       Name = "TooManySheets"
	NoScans             Name = "NoScans"
	AnotherBatchRuns    Name = "AnotherBatchRuns"
	CredentialsRejected Name = "CredentialsRejected"
	// Unavailable is what may go well later: S3, the token service, or the upstream.
	Unavailable Name = "Unavailable"
)

// Fault is why a step failed. Its text is safe to log, and to be shown.
type Fault struct {
	Name   Name
	Detail string
	Err    error // the cause; its text is never shown
}

// Error implements error.
func (f *Fault) Error() string {
	if f.Err == nil {
		return f.Detail
	}
	return f.Detail + ": " + problem.Describe(f.Err)
}

// Format implements [fmt.Formatter]: no verb reaches into Err.
func (f *Fault) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(f.Error())) }

// SafeText implements [problem.Safe].
func (f *Fault) SafeText() string { return f.Error() }

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

func fault(name Name, detail string, err error) *Fault {
	return &Fault{Name: name, Detail: detail, Err: err}
}

// unavailable is for the bucket, whose errors are safe to log.
func unavailable(doing string, err error) *Fault {
	if e := problem.From(err); e.Code != problem.Internal {
		return &Fault{Name: Unavailable, Detail: doing, Err: safe(e.Error())}
	}
	return &Fault{Name: Unavailable, Detail: doing, Err: err}
}

// safe is a text that is ours.
type safe string

func (s safe) Error() string    { return string(s) }
func (s safe) SafeText() string { return string(s) }
