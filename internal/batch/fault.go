package batch

import (
	"errors"
	"fmt"

	"omr-relay/internal/problem"
)

// Name is how the state machine knows a Fault: its Retry and Catch go by it, and the
// execution that fails shows it.
type Name string

// The names. None of them is retried but Unavailable.
const (
	BadInput         Name = "BadInput"
	PatternMissing   Name = "PatternMissing"
	TooManySheets    Name = "TooManySheets"
	NoScans          Name = "NoScans"
	AnotherBatchRuns Name = "AnotherBatchRuns"
	// CredentialsRejected is of the token service, or of the upstream, which takes no
	// calls with the tokens of these credentials.
	CredentialsRejected Name = "CredentialsRejected"
	// Unavailable is what may go well later: S3, the token service, or the upstream.
	Unavailable Name = "Unavailable"
	// Failed is a mistake of this program's.
	Failed Name = "Failed"
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
	return f.Detail + ": " + describe(f.Err)
}

// Format implements [fmt.Formatter]: no verb reaches into Err.
func (f *Fault) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(f.Error())) }

// SafeText implements [problem.Safe].
func (f *Fault) SafeText() string { return f.Error() }

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

func describe(err error) string {
	if e, ok := errors.AsType[*problem.Error](err); ok {
		return e.Error()
	}
	return problem.Describe(err)
}

func fault(name Name, detail string) *Fault { return &Fault{Name: name, Detail: detail} }

// unavailable is for what another attempt may do. A Fault stays as it is.
func unavailable(doing string, err error) *Fault {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	return &Fault{Name: Unavailable, Detail: doing, Err: err}
}

func failed(err error) *Fault { return &Fault{Name: Failed, Detail: "the step failed", Err: err} }
