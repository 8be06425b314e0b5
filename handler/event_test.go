package handler_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
)

// event is an event under construction; its methods return changed copies.
type event map[string]any

const (
	submitPath = "/v5.0/omr/RecognizeTemplate/PostRecognizeTemplate"
	resultPath = "/v5.0/omr/RecognizeTemplate/GetRecognizeTemplate"
	requestID  = "11111111-2222-4333-8444-555555555555"
)

// restEvent is what a REST API sends for its proxy resource.
func restEvent(method, path string) event {
	return event{
		"resource": "/{proxy+}", "path": path, "httpMethod": method,
		"headers": nil, "multiValueHeaders": nil,
		"queryStringParameters": nil, "multiValueQueryStringParameters": nil,
		"pathParameters": map[string]string{"proxy": strings.TrimPrefix(path, "/")},
		"stageVariables": nil,
		"requestContext": map[string]any{
			"resourcePath": "/{proxy+}", "httpMethod": method, "path": "/prod" + path, "stage": "prod",
			"domainName": "exampleapi.execute-api.eu-central-1.amazonaws.com",
		},
		"body": nil, "isBase64Encoded": false,
	}
}

// httpEvent is what an HTTP API sends for its $default route.
func httpEvent(method, path string) event {
	return event{
		"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
		"headers": map[string]string{},
		"requestContext": map[string]any{
			"http":  map[string]string{"method": method, "path": path, "protocol": "HTTP/1.1"},
			"stage": "$default", "domainName": "examplehttp.execute-api.eu-central-1.amazonaws.com",
		},
		"isBase64Encoded": false,
	}
}

// eachKind gives the same request as an event of either payload format.
func eachKind(method, path string) map[string]event {
	return map[string]event{"rest": restEvent(method, path), "http": httpEvent(method, path)}
}

func (e event) with(name string, value any) event {
	e = maps.Clone(e)
	e[name] = value
	return e
}

func (e event) withBody(body string) event { return e.with("body", body) }

// withHeaders takes names and values in turn and spells them as the event's
// kind does: repeated ones in a list, or in lower case and joined by a comma.
func (e event) withHeaders(pairs ...string) event {
	multi, joined := map[string][]string{}, map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		name, value := pairs[i], pairs[i+1]
		multi[name] = append(multi[name], value)
		if before, ok := joined[strings.ToLower(name)]; ok {
			value = before + "," + value
		}
		joined[strings.ToLower(name)] = value
	}
	if _, ok := e["multiValueHeaders"]; ok {
		return e.with("multiValueHeaders", multi)
	}
	return e.with("headers", joined)
}

func (e event) payload() []byte {
	b, err := json.Marshal(e)
	if err != nil {
		panic(err) // maps of strings always marshal
	}
	return b
}

// submitEvent is a submission that the stand-in takes; its answer is a GUID.
func submitEvent() event {
	return restEvent(http.MethodPost, submitPath).
		withBody(`{"images":["iVBORw0KGgo="],"omrFile":"e30=","outputFormat":"CSV"}`).
		withHeaders("Content-Type", "application/json")
}

func resultEvent() event { return restEvent(http.MethodGet, resultPath) }
