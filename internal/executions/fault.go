package executions

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"omr-relay/internal/awserror"
	"omr-relay/internal/problem"
)

// fault is a problem of any error, or nil.
func fault(err error) error {
	if err == nil {
		return nil
	}
	e := &problem.Error{Code: problem.BatchesUnavailable, RetryAfter: 5 * time.Second, Err: awserror.ByCode(err),
		Detail: "Batches cannot be started, asked for or ended at present."}
	switch code := awserror.Code(err); {
	case slices.Contains([]string{"AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException", "IncompleteSignature", "MissingAuthenticationToken"}, code):
		e.Reason, e.RetryAfter = "Step Functions denies access", 30*time.Second
	case code == "StateMachineDoesNotExist", code == "StateMachineDeleting", code == "InvalidArn":
		e.Reason, e.RetryAfter = "there is no such state machine", 30*time.Second
	case code == "ThrottlingException", code == "ExecutionLimitExceeded", awserror.Status(err) == http.StatusTooManyRequests:
		e.Reason = "Step Functions is throttling"
	case errors.Is(err, errNotTheirs), awserror.Status(err) != 0:
		e.Reason = "Step Functions failed"
	default:
		e.Reason = "Step Functions cannot be reached, or broke off"
	}
	return e
}

// errNotTheirs is for what is answered with success, and cannot be of Step Functions.
const errNotTheirs = problem.Constant("the answer is not one of Step Functions'")
