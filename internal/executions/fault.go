package executions

import (
	"errors"
	"net/http"
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
		Detail: "Batches cannot be started, asked for or ended at present."}
	switch code := codeOf(err); {
	case slices.Contains([]string{"AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException", "IncompleteSignature", "MissingAuthenticationToken"}, code):
		e.Reason, e.RetryAfter = "Step Functions denies access", 30*time.Second
	case code == "StateMachineDoesNotExist", code == "StateMachineDeleting", code == "InvalidArn":
		e.Reason, e.RetryAfter = "there is no such state machine", 30*time.Second
	case code == "ThrottlingException", code == "ExecutionLimitExceeded", status(err) == http.StatusTooManyRequests:
		e.Reason = "Step Functions is throttling"
	case errors.Is(err, errNotTheirs), status(err) != 0:
		e.Reason = "Step Functions failed"
	default:
		e.Reason = "Step Functions cannot be reached, or broke off"
	}
	return e
}

// errNotTheirs is for what is answered with success, and cannot be of Step Functions.
const errNotTheirs = constant("the answer is not one of Step Functions'")

// constant is an error whose text may be logged.
type constant string

func (e constant) Error() string    { return string(e) }
func (e constant) SafeText() string { return string(e) }

func codeOf(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// status is that of the answer that err is made of, or 0 if none came.
func status(err error) int {
	answer, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err)
	if !ok {
		return 0
	}
	return answer.HTTPStatusCode()
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
