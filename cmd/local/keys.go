package main

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/aws/aws-lambda-go/events"

	"omr-relay/internal/apikey"
)

// tokenPaths are the endpoints at which the SDKs ask for a token: resources of
// their own in the API, whose POST asks for no key.
var tokenPaths = []string{"/connect/token", "/oauth2/token"}

// apiKeys are the API's keys. Without any, it is open.
type apiKeys []string

// caller is who API Gateway says is calling: the key, and where it stands in
// the list of them. Its zero value is nobody.
type caller struct {
	key    string
	number int
}

// newAPIKeys takes what can be keys of API Gateway's, each once. The error does
// not repeat them.
func newAPIKeys(keys []string) (apiKeys, error) {
	for i, key := range keys {
		if !apikey.Valid(key) {
			return nil, &usageError{"--api-key must have 20 to 128 characters, of letters, digits and -._~+/=, as API Gateway's keys have"}
		}
		if slices.Contains(keys[:i], key) {
			return nil, &usageError{"--api-key was given the same key twice"}
		}
	}
	return keys, nil
}

// keyOf is the key that the request carries.
func keyOf(r *http.Request) (string, bool) { return apikey.FromHeader(r.Header) }

// identify fills in what API Gateway tells the function of the caller.
func (c caller) identify(ctx *events.APIGatewayProxyRequestContext) {
	if c.key == "" {
		return
	}
	ctx.Identity.APIKey = c.key
	ctx.Identity.APIKeyID = fmt.Sprintf("local-key-%d", c.number)
	ctx.Authorizer = map[string]any{"principalId": apikey.PrincipalID, "integrationLatency": 0}
}

// describe says what callers send.
func (keys apiKeys) describe() string {
	if len(keys) == 1 {
		return "one API key, as Authorization: Bearer KEY"
	}
	return fmt.Sprintf("%d API keys, as Authorization: Bearer KEY", len(keys))
}
