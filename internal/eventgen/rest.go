package main

import (
	"encoding/base64"
	"maps"
	"net/url"
	"strings"
)

// restEvent is what API Gateway sends for a REST API's proxy resource (payload
// version 1.0), every field of it, in the order in which it sends them.
type restEvent struct {
	Resource        string              `json:"resource"`
	Path            string              `json:"path"`
	HTTPMethod      string              `json:"httpMethod"`
	Headers         map[string]string   `json:"headers"`
	MultiHeaders    map[string][]string `json:"multiValueHeaders"`
	Query           map[string]string   `json:"queryStringParameters"`
	MultiQuery      map[string][]string `json:"multiValueQueryStringParameters"`
	PathParameters  map[string]string   `json:"pathParameters"`
	StageVariables  map[string]string   `json:"stageVariables"`
	RequestContext  restContext         `json:"requestContext"`
	Body            *string             `json:"body"`
	IsBase64Encoded bool                `json:"isBase64Encoded"`
}

type restContext struct {
	ResourceID        string          `json:"resourceId"`
	Authorizer        *restAuthorizer `json:"authorizer,omitempty"`
	ResourcePath      string          `json:"resourcePath"`
	HTTPMethod        string          `json:"httpMethod"`
	ExtendedRequestID string          `json:"extendedRequestId"`
	RequestTime       string          `json:"requestTime"`
	Path              string          `json:"path"`
	AccountID         string          `json:"accountId"`
	Protocol          string          `json:"protocol"`
	Stage             string          `json:"stage"`
	DomainPrefix      string          `json:"domainPrefix"`
	RequestTimeEpoch  int64           `json:"requestTimeEpoch"`
	RequestID         string          `json:"requestId"`
	Identity          restIdentity    `json:"identity"`
	DomainName        string          `json:"domainName"`
	DeploymentID      string          `json:"deploymentId"`
	APIID             string          `json:"apiId"`
}

// restAuthorizer is what the authorizer said. A method that is open to all has
// none.
type restAuthorizer struct {
	PrincipalID        string `json:"principalId"`
	IntegrationLatency int    `json:"integrationLatency"`
}

type restIdentity struct {
	CognitoIdentityPoolID         *string `json:"cognitoIdentityPoolId"`
	AccountID                     *string `json:"accountId"`
	APIKey                        string  `json:"apiKey,omitempty"`
	APIKeyID                      string  `json:"apiKeyId,omitempty"`
	CognitoIdentityID             *string `json:"cognitoIdentityId"`
	Caller                        *string `json:"caller"`
	SourceIP                      string  `json:"sourceIp"`
	PrincipalOrgID                *string `json:"principalOrgId"`
	AccessKey                     *string `json:"accessKey"`
	CognitoAuthenticationType     *string `json:"cognitoAuthenticationType"`
	CognitoAuthenticationProvider *string `json:"cognitoAuthenticationProvider"`
	UserARN                       *string `json:"userArn"`
	UserAgent                     string  `json:"userAgent"`
	User                          *string `json:"user"`
}

// rest is the event for one call to the REST API. Path is as the client sent
// it; query may be nil; an empty body stands for none.
func rest(method, path string, query url.Values, body string) restEvent {
	headers := map[string]string{
		"Accept":            "*/*",
		"Authorization":     "Bearer " + apiKey,
		"Host":              restDomain,
		"User-Agent":        userAgent,
		"X-Amzn-Trace-Id":   traceID,
		"X-Forwarded-For":   sourceIP,
		"X-Forwarded-Port":  "443",
		"X-Forwarded-Proto": "https",
	}
	event := restEvent{
		Resource:       "/{proxy+}",
		Path:           path,
		HTTPMethod:     method,
		Headers:        headers,
		MultiQuery:     query,
		PathParameters: map[string]string{"proxy": strings.TrimPrefix(path, "/")},
		RequestContext: restContext{
			ResourceID:        "exmpl1",
			Authorizer:        &restAuthorizer{PrincipalID: "api-key"},
			ResourcePath:      "/{proxy+}",
			HTTPMethod:        method,
			ExtendedRequestID: extendedID,
			RequestTime:       sentAt.Format(gatewayTime),
			Path:              "/" + restStage + path,
			AccountID:         accountID,
			Protocol:          "HTTP/1.1",
			Stage:             restStage,
			DomainPrefix:      restAPI,
			RequestTimeEpoch:  sentAt.UnixMilli(),
			RequestID:         requestID,
			Identity: restIdentity{
				APIKey:    apiKey,
				APIKeyID:  "examplekey",
				SourceIP:  sourceIP,
				UserAgent: userAgent,
			},
			DomainName:   restDomain,
			DeploymentID: "exmpl2",
			APIID:        restAPI,
		},
	}
	if query != nil {
		event.Query = lastValues(query)
	}
	if body != "" {
		headers["Content-Type"] = "application/json"
		event.Body = &body
	}
	event.MultiHeaders = multi(headers)
	return event
}

func multi(headers map[string]string) map[string][]string {
	values := make(map[string][]string, len(headers))
	for name, value := range headers {
		values[name] = []string{value}
	}
	return values
}

// lastValues is the single-valued form of a query: of a repeated name API
// Gateway keeps the last value.
func lastValues(query url.Values) map[string]string {
	single := make(map[string]string, len(query))
	for name, values := range query {
		single[name] = values[len(values)-1]
	}
	return single
}

// inBase64 is the event that an API with binary media types would send.
func (e restEvent) inBase64() restEvent {
	encoded := base64.StdEncoding.EncodeToString([]byte(*e.Body))
	e.Body, e.IsBase64Encoded = &encoded, true
	return e
}

// onCustomDomain is the event for a custom domain with a base path mapping:
// the mapping's name stands in both paths, but not in the proxy parameter.
func (e restEvent) onCustomDomain(domain, basePath string) restEvent {
	e.Path = "/" + basePath + e.Path
	e.RequestContext.Path = e.Path
	e.RequestContext.DomainName = domain
	e.RequestContext.DomainPrefix, _, _ = strings.Cut(domain, ".")
	e.Headers = maps.Clone(e.Headers)
	e.Headers["Host"] = domain
	e.MultiHeaders = maps.Clone(e.MultiHeaders)
	e.MultiHeaders["Host"] = []string{domain}
	return e
}
