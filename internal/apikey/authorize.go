// Package apikey is the decision of the API's authorizer: which API key a
// call carries. Whether the key is any good is API Gateway's to say, which
// holds the keys and their usage plans.
package apikey

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"omr-relay/internal/bearer"
)

// errUnauthorized has the one text for which API Gateway answers 401. Any other
// failure is a 500, so that nothing opens by mistake:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
var errUnauthorized = errors.New("Unauthorized") // API Gateway compares it

// PrincipalID stands for every caller: who it is, the id of the key tells.
const PrincipalID = "api-key"

// Authorizer implements lambda.Handler for API Gateway's REQUEST authorizers.
// It is safe for concurrent use.
type Authorizer struct{}

// request is what counts of a REQUEST authorizer's event.
type request struct {
	Type              string              `json:"type"`
	MethodARN         string              `json:"methodArn"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	Headers           map[string]string   `json:"headers"`
}

// decision lets API Gateway go on with the key as the call's API key. That it
// allows says nothing of the key, which API Gateway looks up afterwards.
type decision struct {
	PrincipalID        string `json:"principalId"`
	PolicyDocument     policy `json:"policyDocument"`
	UsageIdentifierKey string `json:"usageIdentifierKey"`
}

type policy struct {
	Version   string
	Statement []statement
}

type statement struct {
	Action   string
	Effect   string
	Resource string
}

// Invoke answers one authorizer event. Its errors are constant: neither the key
// nor anything else of the event is in them.
func (Authorizer) Invoke(_ context.Context, payload []byte) ([]byte, error) {
	var req request
	if err := json.Unmarshal(payload, &req); err != nil || req.Type != "REQUEST" {
		return nil, errors.New("unsupported event: not one of a REQUEST authorizer")
	}
	api, ok := wholeStage(req.MethodARN)
	if !ok {
		return nil, errors.New("unsupported event: its methodArn is not one of an API's method")
	}
	key, ok := Bearer(req.headers())
	if !ok || !Valid(key) {
		return nil, errUnauthorized
	}
	return json.Marshal(decision{
		PrincipalID: PrincipalID,
		PolicyDocument: policy{
			Version:   "2012-10-17",
			Statement: []statement{{Action: "execute-api:Invoke", Effect: "Allow", Resource: api}},
		},
		UsageIdentifierKey: key,
	})
}

// wholeStage turns a method's ARN into that of all methods of its stage:
// API Gateway caches the answer for the key, whatever is called next.
func wholeStage(methodARN string) (string, bool) {
	parts := strings.SplitN(methodARN, "/", 3)
	if len(parts) != 3 || !strings.HasPrefix(parts[0], "arn:") || strings.ContainsAny(parts[0]+parts[1], "*?") {
		return "", false
	}
	return parts[0] + "/" + parts[1] + "/*", true
}

// headers gives every value of every header; the event has both forms, or the
// single-valued one alone.
func (r *request) headers() http.Header {
	if r.MultiValueHeaders != nil {
		return r.MultiValueHeaders
	}
	single := make(http.Header, len(r.Headers))
	for name, value := range r.Headers {
		single[name] = []string{value}
	}
	return single
}

// Bearer returns the token of the one Authorization header (RFC 6750 §2.1),
// whatever the case of its name. Two headers hold none: nobody could say which
// counts.
func Bearer(headers http.Header) (string, bool) {
	var values []string
	for name, v := range headers {
		if strings.EqualFold(name, "Authorization") {
			values = append(values, v...)
		}
	}
	if len(values) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.Trim(token, " ")
	return token, strings.EqualFold(scheme, "Bearer") && bearer.Valid(token)
}

// Valid reports whether s can be an API key: API Gateway's have 20 to 128
// characters, and of those only what may stand in a header counts.
func Valid(s string) bool { return len(s) >= 20 && len(s) <= 128 && bearer.Valid(s) }
