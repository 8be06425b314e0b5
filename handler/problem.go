package handler

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

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
}

// problemDocument is a problem document (RFC 9457) with the relay's code.
type problemDocument struct {
	Type     string       `json:"type"`
	Title    string       `json:"title"`
	Status   int          `json:"status"`
	Detail   string       `json:"detail,omitempty"`
	Instance string       `json:"instance,omitempty"`
	Code     problem.Code `json:"code"`
}

// problem turns a failure into the answer that the caller gets. Nothing of the
// private cause is in it; a failure without a code is one constant message.
func problemAnswer(err error, requestID string) *answer {
	e := problem.From(err)
	code, detail := e.Code, e.Detail
	row, ok := problems[code]
	if !ok || code == problem.Internal {
		code, detail = problem.Internal, "The relay failed. The request id leads to its log line."
		row = problems[code]
	}
	body, _ := json.Marshal(problemDocument{
		Type:     "urn:omr-relay:problem:" + string(code),
		Title:    row.title,
		Status:   row.status,
		Detail:   detail,
		Instance: requestID,
		Code:     code,
	})
	header := http.Header{"Content-Type": {"application/problem+json"}, "Cache-Control": {"no-store"}}
	if len(e.Allow) > 0 {
		header.Set("Allow", strings.Join(e.Allow, ", "))
	}
	if e.RetryAfter > 0 {
		// Rounded up: a caller who comes then must not come too early.
		header.Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	return &answer{status: row.status, header: header, body: body}
}
