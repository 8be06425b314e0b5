package apikey

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
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
	Type              string               `json:"type"`
	MethodARN         string               `json:"methodArn"`
	MultiValueHeaders map[string][]*string `json:"multiValueHeaders"`
	Headers           map[string]*string   `json:"headers"`
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
	key, ok := FromHeader(req.headers())
	if !ok {
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

// headers gives every value of every header. The multi-valued form counts unless
// it has no value at all, however that is said.
func (r *request) headers() http.Header {
	all := http.Header{}
	for name, values := range r.MultiValueHeaders {
		for _, value := range values {
			if value != nil {
				all[name] = append(all[name], *value)
			}
		}
	}
	if len(all) > 0 {
		return all
	}
	for name, value := range r.Headers {
		if value != nil {
			all[name] = []string{*value}
		}
	}
	return all
}
