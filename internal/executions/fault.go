package executions

import (
	"errors"
	"slices"
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
	e := &problem.Error{Code: problem.BatchesUnavailable, RetryAfter: 5 * time.Second, Err: &coded{err},
		Detail: "Step Functions cannot be used at present.", Reason: "Step Functions failed"}
	switch code := codeOf(err); {
	case slices.Contains([]string{"AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException", "MissingAuthenticationToken"}, code):
		e.Reason, e.RetryAfter = "Step Functions denies access to the state machine", 30*time.Second
	case code == "StateMachineDoesNotExist", code == "StateMachineDeleting":
		e.Reason, e.RetryAfter = "there is no such state machine", 30*time.Second
	case code == "ExecutionLimitExceeded", strings.Contains(code, "Throttl"), code == "TooManyRequestsException":
		e.Reason = "Step Functions is throttling"
	case code == "":
		e.Reason = "Step Functions cannot be reached, or broke off"
	}
	return e
}

func codeOf(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// coded is an error of the SDK's that shows the service's code for it, and none of its
// words.
type coded struct{ err error }

func (e *coded) Error() string { return e.SafeText() }
func (e *coded) Unwrap() error { return e.err }

// SafeText implements [problem.Safe].
func (e *coded) SafeText() string {
	code := codeOf(e.err)
	if code == "" || len(code) > 64 || strings.ContainsFunc(code, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }) {
		return problem.Describe(e.err)
	}
	return code
}
