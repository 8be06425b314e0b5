package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"omr-relay/internal/bearer"
)

// errUnauthorized has the one text for which API Gateway answers 401. Any other
// failure is a 500, so that nothing opens by mistake:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
var errUnauthorized = errors.New("Unauthorized") //nolint:staticcheck // API Gateway compares it

// authorizer implements lambda.Handler. It is safe for concurrent use.
type authorizer struct{}

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
func (authorizer) Invoke(_ context.Context, payload []byte) ([]byte, error) {
	var req request
	if err := json.Unmarshal(payload, &req); err != nil || req.Type != "REQUEST" {
		return nil, errors.New("unsupported event: not one of a REQUEST authorizer")
	}
	api, ok := wholeStage(req.MethodARN)
	if !ok {
		return nil, errors.New("unsupported event: its methodArn is not one of an API's method")
	}
	key, ok := keyOf(req)
	if !ok {
		return nil, errUnauthorized
	}
	return json.Marshal(decision{
		PrincipalID: "api-key",
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

// keyOf returns the key of the one Authorization header (RFC 6750 §2.1). Two
// of them are none: nobody could say which counts.
func keyOf(req request) (string, bool) {
	var values []string
	for name, v := range req.MultiValueHeaders {
		if strings.EqualFold(name, "Authorization") {
			values = append(values, v...)
		}
	}
	if req.MultiValueHeaders == nil {
		for name, v := range req.Headers {
			if strings.EqualFold(name, "Authorization") {
				values = append(values, v)
			}
		}
	}
	if len(values) != 1 {
		return "", false
	}
	scheme, key, _ := strings.Cut(values[0], " ")
	key = strings.Trim(key, " ")
	return key, strings.EqualFold(scheme, "Bearer") && keyText(key)
}

// keyText reports whether s can be an API key: API Gateway's are of 20 to 128
// characters, and none else is worth a look-up.
func keyText(s string) bool { return len(s) >= 20 && len(s) <= 128 && bearer.Valid(s) }
