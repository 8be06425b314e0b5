package main

import (
	"net/url"
	"time"
)

// Example identifiers: addresses from the documentation ranges, AWS's example
// account, ids that no API has.
const (
	accountID  = "123456789012"
	region     = "eu-central-1"
	restStage  = "prod"
	restAPI    = "exampleapi"
	restDomain = restAPI + ".execute-api." + region + ".amazonaws.com"
	httpAPIID  = "examplehttp"
	httpDomain = httpAPIID + ".execute-api." + region + ".amazonaws.com"
	urlID      = "examplefunctionurl"
	urlDomain  = urlID + ".lambda-url." + region + ".on.aws"
	requestID  = "11111111-2222-4333-8444-555555555555"
	extendedID = "ExampleRequestI="
	traceID    = "Root=1-6b016ba0-111111111111111111111111"
	apiKey     = "example-api-key-of-nobody"
	sourceIP   = "192.0.2.1"
	userAgent  = "curl/8.14.1"
)

// gatewayTime is the layout of API Gateway's requestTime.
const gatewayTime = "02/Jan/2006:15:04:05 -0700"

var sentAt = time.Date(2026, time.November, 21, 10, 0, 0, 0, time.UTC)

const (
	submitPath = "/v5.0/omr/RecognizeTemplate/PostRecognizeTemplate"
	resultPath = "/v5.0/omr/RecognizeTemplate/GetRecognizeTemplate"
	cancelPath = "/v5.0/omr/RecognizeTemplate"
	taskID     = "12345678-1234-4123-8123-123456789abc"
)

// fixtures gives every event by its file's name.
func fixtures() (map[string]any, error) {
	text, err := recognitionTask()
	if err != nil {
		return nil, err
	}
	var (
		body      = string(text)
		recognize = rest("POST", submitPath, nil, body)
		id        = url.Values{"id": {taskID}}
	)
	return map[string]any{
		"recognize.json":     recognize,
		"base64.json":        recognize.inBase64(),
		"custom-domain.json": recognize.onCustomDomain("forms.example.com", "omr"),
		"result.json":        rest("GET", resultPath, id, ""),
		"cancel.json":        rest("DELETE", cancelPath, id, ""),
		"upload.json":        rest("POST", "/uploads", nil, ""),
		"healthz.json":       rest("GET", "/healthz", nil, ""),

		"connect-token.json":           tokenRequest("/connect/token").withForm(urlencoded()),
		"connect-token-multipart.json": tokenRequest("/connect/token").withForm(multipartForm()).inBase64(),

		"authorizer.json":        authorization("POST", submitPath),
		"authorizer-no-key.json": authorization("POST", submitPath).withoutKey(),

		"http-api.json": httpAPI("POST", submitPath, "", body),
		// Aspose's Java SDK ends every query with an ampersand.
		"http-api-result.json": httpAPI("GET", resultPath, "id="+taskID+"&", ""),
		"http-api-stage.json":  httpAPI("POST", submitPath, "", body).onStage("dev"),
		"function-url.json":    functionURL("POST", submitPath, "", body),

		"rule.json":      rule(),
		"scheduler.json": scheduler(),
		"warmup.json":    warmUp{WarmUp: true},

		"unsupported-sqs.json": sqs(),
	}, nil
}
