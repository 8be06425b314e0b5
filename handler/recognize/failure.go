package recognize

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"omr-relay/handler/gateway"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
)

// errGone is for an id that cannot be one.
func errGone() error {
	return &problem.Error{Code: problem.TaskNotFound, Detail: "There is no task with this id. Results are kept for 24 hours."}
}

// fail answers with what became of a call that failed: the upstream's own answer
// if there is one, as it is where a call is relayed; else a problem.
func fail(ctx context.Context, err error) (*gateway.Answer, error) {
	if e, ok := errors.AsType[*problem.Error](err); ok {
		return nil, e // of the token path, or a panic
	}
	f, ok := errors.AsType[*omr.Failure](err)
	if !ok {
		return nil, problem.From(err)
	}
	if f.Refusal != nil && f.Refusal.Status >= 200 && f.Refusal.Status <= 599 {
		return refusal(f.Refusal), nil
	}
	received := " The call was not sent."
	if f.MayHaveArrived {
		received = " It may have received the call."
	}
	switch {
	case f.Refusal != nil, f.InvalidAnswer():
		return nil, &problem.Error{Code: problem.UpstreamInvalidAnswer, Detail: "The upstream's answer cannot be read." + received, Err: err}
	case ctx.Err() != nil:
		return nil, &problem.Error{Code: problem.UpstreamTimeout, Detail: "The upstream did not answer in time." + received, Err: err}
	default:
		return nil, &problem.Error{Code: problem.UpstreamUnreachable, Detail: "The upstream could not be reached, or broke off." + received, Err: err}
	}
}

func refusal(r *omr.Refusal) *gateway.Answer {
	answer := bytesAnswer(r.Status, r.ContentType, r.Body)
	if r.RetryAfter > 0 {
		answer.Header.Set("Retry-After", strconv.Itoa(int((r.RetryAfter+time.Second-1)/time.Second)))
	}
	if r.Status == http.StatusNoContent || r.Status == http.StatusNotModified {
		answer.Header.Del("Content-Type")
	}
	return answer
}
