package executions

import (
	"errors"
	"strings"
	"time"

	"github.com/aws/smithy-go"

	"omr-relay/internal/problem"
)

// fault is a problem of any error, or nil.
func fault(err error) error {
	if err == nil {
		return nil
	}
	return &problem.Error{Code: problem.BatchesUnavailable, RetryAfter: 5 * time.Second, Err: &coded{err},
		Detail: "Step Functions cannot be used at present.", Reason: "Step Functions failed"}
}

// coded is an error of the SDK's that shows the service's code for it, and none of its
// words.
type coded struct{ err error }

func (e *coded) Error() string { return e.SafeText() }
func (e *coded) Unwrap() error { return e.err }

// SafeText implements [problem.Safe].
func (e *coded) SafeText() string {
	api, ok := errors.AsType[smithy.APIError](e.err)
	if !ok {
		return problem.Describe(e.err)
	}
	code := api.ErrorCode()
	if code == "" || len(code) > 64 || strings.ContainsFunc(code, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }) {
		return problem.Describe(e.err)
	}
	return code
}
