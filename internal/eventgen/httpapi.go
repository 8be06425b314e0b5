package main

import (
	"net/url"
	"strings"
)

// httpEvent is payload version 2.0, which HTTP APIs and function URLs send.
// Fields that do not apply to a call are absent.
type httpEvent struct {
	Version         string            `json:"version"`
	RouteKey        string            `json:"routeKey"`
	RawPath         string            `json:"rawPath"`
	RawQueryString  string            `json:"rawQueryString"`
	Cookies         []string          `json:"cookies,omitempty"`
	Headers         map[string]string `json:"headers"`
	Query           map[string]string `json:"queryStringParameters,omitempty"`
	RequestContext  httpContext       `json:"requestContext"`
	PathParameters  map[string]string `json:"pathParameters,omitempty"`
	Body            string            `json:"body,omitempty"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
}

type httpContext struct {
	AccountID    string      `json:"accountId"`
	APIID        string      `json:"apiId"`
	DomainName   string      `json:"domainName"`
	DomainPrefix string      `json:"domainPrefix"`
	HTTP         httpDetails `json:"http"`
	RequestID    string      `json:"requestId"`
	RouteKey     string      `json:"routeKey"`
	Stage        string      `json:"stage"`
	Time         string      `json:"time"`
	TimeEpoch    int64       `json:"timeEpoch"`
}

type httpDetails struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// httpAPI is the event for one call to an HTTP API's default route and stage.
// The call looks like an official SDK's: it brings an Authorization of its own.
func httpAPI(method, path, rawQuery, body string) httpEvent {
	event := httpEvent{
		Version:        "2.0",
		RouteKey:       "$default",
		RawPath:        path,
		RawQueryString: rawQuery,
		Cookies:        []string{"session=example"},
		Headers: map[string]string{
			"accept":            "text/plain,application/json,text/json",
			"authorization":     "Bearer of-the-caller",
			"host":              httpDomain,
			"user-agent":        userAgent,
			"x-amzn-trace-id":   traceID,
			"x-forwarded-for":   sourceIP,
			"x-forwarded-port":  "443",
			"x-forwarded-proto": "https",
		},
		RequestContext: httpContext{
			AccountID:    accountID,
			APIID:        httpAPIID,
			DomainName:   httpDomain,
			DomainPrefix: httpAPIID,
			HTTP: httpDetails{
				Method:    method,
				Path:      path,
				Protocol:  "HTTP/1.1",
				SourceIP:  sourceIP,
				UserAgent: userAgent,
			},
			RequestID: extendedID,
			RouteKey:  "$default",
			Stage:     "$default",
			Time:      sentAt.Format(gatewayTime),
			TimeEpoch: sentAt.UnixMilli(),
		},
		Body: body,
	}
	if rawQuery != "" {
		query, err := url.ParseQuery(rawQuery)
		if err != nil {
			panic("a fixture's query does not parse: " + rawQuery)
		}
		event.Query = make(map[string]string, len(query))
		for name, values := range query {
			event.Query[name] = strings.Join(values, ",")
		}
	}
	if body != "" {
		event.Headers["content-type"] = "application/json"
	}
	return event
}

// onStage is the event for an "ANY /{proxy+}" route on a named stage, whose
// name then begins both paths.
func (e httpEvent) onStage(stage string) httpEvent {
	e.PathParameters = map[string]string{"proxy": strings.TrimPrefix(e.RawPath, "/")}
	e.RawPath = "/" + stage + e.RawPath
	e.RouteKey = "ANY /{proxy+}"
	e.RequestContext.HTTP.Path = e.RawPath
	e.RequestContext.RouteKey = e.RouteKey
	e.RequestContext.Stage = stage
	return e
}

// functionURL is the event for one call to a function URL without IAM.
func functionURL(method, path, rawQuery, body string) httpEvent {
	event := httpAPI(method, path, rawQuery, body)
	event.Cookies = nil
	delete(event.Headers, "authorization")
	event.Headers["host"] = urlDomain
	event.Headers["x-amzn-tls-cipher-suite"] = "TLS_AES_128_GCM_SHA256"
	event.Headers["x-amzn-tls-version"] = "TLSv1.3"
	event.RequestContext.AccountID = "anonymous"
	event.RequestContext.APIID = urlID
	event.RequestContext.DomainName = urlDomain
	event.RequestContext.DomainPrefix = urlID
	event.RequestContext.RequestID = requestID
	return event
}
