package main

import (
	"bytes"
	"fmt"
	"maps"
	"mime/multipart"
	"net/url"
	"strings"
)

// tokenRequest is the event for a POST to a token endpoint, which is a resource
// of its own and open to all.
func tokenRequest(path string) restEvent {
	event := rest("POST", path, nil, "")
	event.Resource, event.PathParameters = path, nil
	event.RequestContext.ResourceID, event.RequestContext.ResourcePath = "exmpl3", path
	event.RequestContext.Authorizer = nil
	event.RequestContext.Identity.APIKey, event.RequestContext.Identity.APIKeyID = "", ""
	delete(event.Headers, "Authorization")
	return event
}

// withForm is the event with a body.
func (e restEvent) withForm(contentType, body string) restEvent {
	e.Headers = maps.Clone(e.Headers)
	e.Headers["Content-Type"] = contentType
	e.MultiHeaders = multi(e.Headers)
	e.Body = &body
	return e
}

// grant is what an SDK sends, with the caller's API key for its secret.
var grant = [][2]string{{"grant_type", "client_credentials"}, {"client_id", "example station"}, {"client_secret", apiKey}}

// urlencoded is the grant as most SDKs write it.
func urlencoded() (contentType, body string) {
	var pairs []string
	for _, field := range grant {
		pairs = append(pairs, field[0]+"="+url.QueryEscape(field[1]))
	}
	return "application/x-www-form-urlencoded", strings.Join(pairs, "&")
}

// multipartForm is the grant as the Python SDKs write it.
func multipartForm() (contentType, body string) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	if err := w.SetBoundary("example-boundary"); err != nil {
		panic(err)
	}
	for _, field := range grant {
		if err := w.WriteField(field[0], field[1]); err != nil {
			panic(fmt.Sprint("writing to memory: ", err))
		}
	}
	if err := w.Close(); err != nil {
		panic(fmt.Sprint("writing to memory: ", err))
	}
	return w.FormDataContentType(), form.String()
}

// authorizerEvent is what API Gateway sends to an authorizer of type REQUEST:
// the proxy event without its body, before anybody knows whose call it is.
type authorizerEvent struct {
	Type           string              `json:"type"`
	MethodARN      string              `json:"methodArn"`
	Resource       string              `json:"resource"`
	Path           string              `json:"path"`
	HTTPMethod     string              `json:"httpMethod"`
	Headers        map[string]string   `json:"headers"`
	MultiHeaders   map[string][]string `json:"multiValueHeaders"`
	Query          map[string]string   `json:"queryStringParameters"`
	MultiQuery     map[string][]string `json:"multiValueQueryStringParameters"`
	PathParameters map[string]string   `json:"pathParameters"`
	StageVariables map[string]string   `json:"stageVariables"`
	RequestContext restContext         `json:"requestContext"`
}

// authorization is the event for a call to the REST API. Unlike a proxy
// integration's, it has empty objects where there is nothing.
func authorization(method, path string) authorizerEvent {
	call := rest(method, path, nil, "{}")
	call.RequestContext.Authorizer = nil
	call.RequestContext.Identity.APIKey, call.RequestContext.Identity.APIKeyID = "", ""
	return authorizerEvent{
		Type:           "REQUEST",
		MethodARN:      "arn:aws:execute-api:" + region + ":" + accountID + ":" + restAPI + "/" + restStage + "/" + method + path,
		Resource:       call.Resource,
		Path:           call.Path,
		HTTPMethod:     call.HTTPMethod,
		Headers:        call.Headers,
		MultiHeaders:   call.MultiHeaders,
		Query:          map[string]string{},
		MultiQuery:     map[string][]string{},
		PathParameters: call.PathParameters,
		StageVariables: map[string]string{},
		RequestContext: call.RequestContext,
	}
}

// withoutKey is the event for a call whose Authorization holds something else.
func (e authorizerEvent) withoutKey() authorizerEvent {
	e.Headers = maps.Clone(e.Headers)
	e.Headers["Authorization"] = "Basic ZXhhbXBsZTpleGFtcGxl"
	e.MultiHeaders = multi(e.Headers)
	return e
}
