package handler

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"omr-relay/handler/gateway"
	"omr-relay/internal/problem"
)

// problems is the one table of what a failure looks like from outside. A code
// that is not in it becomes Internal.
var problems = map[problem.Code]struct {
	status int
	title  string
}{
	problem.RouteNotFound:          {http.StatusNotFound, "No such route"},
	problem.MethodNotAllowed:       {http.StatusMethodNotAllowed, "Method not allowed"},
	problem.BadRequest:             {http.StatusBadRequest, "Bad request"},
	problem.UnsupportedMediaType:   {http.StatusUnsupportedMediaType, "Unsupported media type"},
	problem.PayloadTooLarge:        {http.StatusRequestEntityTooLarge, "Payload too large"},
	problem.CredentialsUnavailable: {http.StatusServiceUnavailable, "Credentials unavailable"},
	problem.TokenUnavailable:       {http.StatusServiceUnavailable, "Token unavailable"},
	problem.UpstreamUnreachable:    {http.StatusBadGateway, "Upstream unreachable"},
	problem.UpstreamRejectedToken:  {http.StatusBadGateway, "Upstream rejected the token"},
	problem.UpstreamEchoedToken:    {http.StatusBadGateway, "Upstream echoed the token"},
	problem.UpstreamInvalidAnswer:  {http.StatusBadGateway, "Upstream gave an invalid answer"},
	problem.UpstreamTimeout:        {http.StatusGatewayTimeout, "Upstream timeout"},
	problem.ResponseTooLarge:       {http.StatusBadGateway, "Response too large"},
	problem.Internal:               {http.StatusInternalServerError, "Internal error"},

	problem.InvalidInput:      {http.StatusUnprocessableEntity, "Invalid input"},
	problem.NotAcceptable:     {http.StatusNotAcceptable, "Not acceptable"},
	problem.RecognitionFailed: {http.StatusUnprocessableEntity, "Recognition failed"},
	problem.RecognitionEmpty:  {http.StatusUnprocessableEntity, "Nothing was recognized"},
	problem.GenerationFailed:  {http.StatusUnprocessableEntity, "Generation failed"},
	problem.ResultLost:        {http.StatusGone, "Result lost"},
	problem.TaskNotFound:      {http.StatusNotFound, "Task not found"},

	problem.UploadNotFound:       {http.StatusNotFound, "Upload not found"},
	problem.UploadChanged:        {http.StatusConflict, "Upload changed"},
	problem.BucketUnavailable:    {http.StatusServiceUnavailable, "Bucket unavailable"},
	problem.BatchesUnavailable:   {http.StatusServiceUnavailable, "Batches unavailable"},
	problem.BatchRunning:         {http.StatusConflict, "Another batch runs"},
	problem.BatchNotFound:        {http.StatusNotFound, "Batch not found"},
	problem.IdempotencyKeyReused: {http.StatusUnprocessableEntity, "Idempotency-Key reused"},
	problem.RequestInProgress:    {http.StatusConflict, "Request in progress"},
	problem.SubmissionUnknown:    {http.StatusConflict, "Submission unknown"},
}

// severity is the level at which a failure is logged. What a person must see is a
// warning at least: the relay's own 5xx, and answers that were not taken. What is
// wrong until somebody mends it is an error.
func severity(code problem.Code) slog.Level {
	row, ok := problems[code]
	switch {
	case code == problem.CredentialsUnavailable, code == problem.BucketUnavailable, code == problem.BatchesUnavailable, code == problem.Internal:
		return slog.LevelError
	case !ok || row.status >= 500:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// ProblemType is what the type of each of the relay's problem documents begins
// with; its code follows.
const ProblemType = "urn:omr-relay:problem:"

// problemDocument is a problem document (RFC 9457) with the relay's code.
type problemDocument struct {
	Type     string       `json:"type"`
	Title    string       `json:"title"`
	Status   int          `json:"status"`
	Detail   string       `json:"detail,omitempty"`
	Instance string       `json:"instance,omitempty"`
	Code     problem.Code `json:"code"`
	Field    string       `json:"field,omitempty"`
	Messages []string     `json:"messages,omitempty"`
}

// problemAnswer turns a failure into the answer that the caller gets. Nothing of the
// private cause is in it; a failure without a code is one constant message.
func problemAnswer(err error, requestID string) *gateway.Answer {
	e := problem.From(err)
	code, detail := e.Code, e.Detail
	row, ok := problems[code]
	if !ok || code == problem.Internal {
		code, detail = problem.Internal, "The relay failed. The request id leads to its log line."
		row = problems[code]
	}
	body, _ := json.Marshal(problemDocument{
		Type:     ProblemType + string(code),
		Title:    row.title,
		Status:   row.status,
		Detail:   detail,
		Instance: requestID,
		Code:     code,
		Field:    e.Field,
		Messages: e.Messages,
	})
	header := http.Header{}
	maps.Copy(header, e.Header)
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	if len(e.Allow) > 0 {
		header.Set("Allow", strings.Join(e.Allow, ", "))
	}
	if e.AcceptEncoding != "" {
		header.Set("Accept-Encoding", e.AcceptEncoding)
	}
	if e.RetryAfter > 0 {
		// Rounded up: a caller who comes then must not come too early.
		header.Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	return answerWith(row.status, header, string(body))
}

// answerWith is an answer of the relay's own.
func answerWith(status int, header http.Header, body string) *gateway.Answer {
	return &gateway.Answer{Status: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Length: int64(len(body))}
}

// upstreamFault says what a failed call means, and whether the caller can make
// it again without paying twice. Failures of the token path arrive as problems
// already.
func upstreamFault(ctx context.Context, err error, sent bool) error {
	if e, ok := errors.AsType[*problem.Error](err); ok {
		return e
	}
	received := " The call was not sent."
	if sent {
		received = " It may have received the call."
	}
	if ctx.Err() != nil {
		return &problem.Error{Code: problem.UpstreamTimeout, Detail: "The upstream did not answer in time." + received, Err: err}
	}
	return &problem.Error{Code: problem.UpstreamUnreachable, Detail: "The upstream could not be reached, or broke off." + received, Err: err}
}
