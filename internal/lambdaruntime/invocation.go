package lambdaruntime

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"omr-relay/internal/budget"
)

// invocation is an event with what the API tells of it.
type invocation struct {
	id       string
	trace    string
	lambda   lambdacontext.LambdaContext
	deadline time.Time
	payload  []byte
	fault    error // why it cannot be served, if so
}

// writingEnds is until when an answer may be written: a little of the invocation's
// time is kept to log that nobody takes it, less than the handler itself keeps.
func (inv invocation) writingEnds() time.Time {
	return inv.deadline.Add(-min(budget.LogReserve, time.Until(inv.deadline)/20))
}

// describe reads what the API tells beside the event.
func (inv *invocation) describe(h http.Header) {
	inv.id, inv.trace = h.Get("Lambda-Runtime-Aws-Request-Id"), h.Get("Lambda-Runtime-Trace-Id")
	inv.lambda = lambdacontext.LambdaContext{
		AwsRequestID:       inv.id,
		InvokedFunctionArn: h.Get("Lambda-Runtime-Invoked-Function-Arn"),
		TenantID:           h.Get("Lambda-Runtime-Aws-Tenant-Id"),
	}
	ms, err := strconv.ParseInt(h.Get("Lambda-Runtime-Deadline-Ms"), 10, 64)
	if err != nil {
		inv.fault = errors.New("the Runtime API named no deadline")
	}
	inv.deadline = time.UnixMilli(ms)
	inv.fromCaller(h.Get("Lambda-Runtime-Client-Context"), &inv.lambda.ClientContext)
	inv.fromCaller(h.Get("Lambda-Runtime-Cognito-Identity"), &inv.lambda.Identity)
}

// fromCaller reads what callers may send besides the event. It is not quoted.
func (inv *invocation) fromCaller(text string, into any) {
	if text != "" && json.Unmarshal([]byte(text), into) != nil {
		inv.fault = errors.New("the caller's context is not the JSON it should be")
	}
}
