package handler_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"omr-relay/handler/gateway"
)

// Each event is full of canaries: its name may be told, what it holds may not.
func TestUnsupportedEvents(t *testing.T) {
	deep := func(open, end string) string { return strings.Repeat(open, 100_000) + strings.Repeat(end, 100_000) }
	for payload, what := range map[string]string{
		`{"Records":[{"messageId":"canary-4711","body":"canary-4711","eventSource":"aws:sqs","awsRegion":"eu-central-1"}]}`: "records of aws:sqs",
		`{"Records":[{"EventVersion":"1.0","EventSource":"aws:sns","Sns":{"Message":"canary-4711"}}]}`:                      "records of aws:sns",
		`{"Records":[{"eventSource":"aws:s3","s3":{"object":{"key":"canary-4711"}}}]}`:                                      "records of aws:s3",
		`{"Records":[{"eventSource":"canary-4711\n"}],"b":1}`:                                                               "a JSON object with the members [Records b]",
		`{"Records":[]}`:            "a JSON object with the members [Records]",
		`{"Records":"canary-4711"}`: "a JSON object with the members [Records]",
		`{"source":"aws.s3","detail-type":"Object Created","detail":{"key":"canary-4711"}}`:                                                  `an EventBridge event "Object Created" of aws.s3`,
		`{"source":"aws.events","detail-type":"Other","detail":{}}`:                                                                          `an EventBridge event "Other" of aws.events`,
		`{"source":"aws.scheduler","detail-type":"Other"}`:                                                                                   `an EventBridge event "Other" of aws.scheduler`,
		`{"source":"custom","detail-type":"Scheduled Event"}`:                                                                                `an EventBridge event "Scheduled Event" of custom`,
		`{"source":"a\"canary-4711","detail-type":"x"}`:                                                                                      "a JSON object with the members [detail-type source]",
		`{"source":"` + strings.Repeat("x", 65) + `","detail-type":"x"}`:                                                                     "a JSON object with the members [detail-type source]",
		`{"requestContext":{"elb":{"targetGroupArn":"canary-4711"}},"httpMethod":"GET","path":"/canary-4711","headers":{}}`:                  "an Application Load Balancer event",
		`{"requestContext":{"connectionId":"canary-4711","routeKey":"$connect","eventType":"CONNECT"},"headers":{},"isBase64Encoded":false}`: "an event with a requestContext that is of neither a REST API, an HTTP API nor a function URL",
		`{"type":"TOKEN","authorizationToken":"canary-4711","methodArn":"arn:canary-4711"}`:                                                  "an API Gateway authorizer event",
		`{"type":"REQUEST","methodArn":"arn:canary-4711","httpMethod":"GET","path":"/v5.0/omr/x","headers":{}}`:                              "an API Gateway authorizer event",
		`{"version":"2.0","type":"REQUEST","routeArn":"arn:canary-4711","rawPath":"/v5.0/omr/x","requestContext":{"http":{"method":"GET"}}}`: "an API Gateway authorizer event",
		`[]`:                               "a JSON array",
		"\n [{\"warmup\":true}] ":          "a JSON array",
		strings.Repeat(" ", 100) + `[1]`:   "a JSON array",
		`"canary-4711"`:                    "a JSON string",
		`"{\"warmup\":true}"`:              "a JSON string",
		`null`:                             "a JSON literal",
		`true`:                             "a JSON literal",
		`4711`:                             "a JSON literal",
		``:                                 "0 bytes that are not well-formed JSON",
		`   `:                              "3 bytes that are not well-formed JSON",
		`{"warmup":true`:                   "14 bytes that are not well-formed JSON",
		`{"warmup":true}{}`:                "17 bytes that are not well-formed JSON",
		`{"canary-4711`:                    "13 bytes that are not well-formed JSON",
		`canary-4711`:                      "11 bytes that are not well-formed JSON",
		"\xff\xfe":                         "2 bytes that are not well-formed JSON",
		`{}`:                               "a JSON object with the members []",
		`{"warmup":false}`:                 "a JSON object with the members [warmup]",
		`{"warmup":"true"}`:                "a JSON object with the members [warmup]",
		`{"version":"2.0","rawPath":"/x"}`: "a JSON object with the members [rawPath version]",
		`{"version":"2.0","rawPath":null,"requestContext":{}}`:                      "an event with a requestContext that is of neither a REST API, an HTTP API nor a function URL",
		`{"version":"1.0","rawPath":"/x","requestContext":{}}`:                      "an event with a requestContext that is of neither a REST API, an HTTP API nor a function URL",
		`{"httpMethod":"GET","path":null}`:                                          "a JSON object with the members [httpMethod path]",
		`{"j":1,"i":1,"h":1,"g":1,"f":1,"e":1,"d":1,"c":1,"b":1,"canary 4711\n":1}`: "a JSON object with the members [b c d e f g h i]",
		deep("[", "]"):                 "200000 bytes that are not well-formed JSON",
		deep(`{"a":`, "}"):             "a JSON object with the members [a]",
		`{"a":` + deep("[", "]") + `}`: "a JSON object with the members [a]",
		`{"httpMethod":"GET","path":"/v5.0/omr/x","requestContext":` + deep("[", "]") + `}`: `its member "requestContext" is not of the documented form`,
	} {
		name := payload[:min(len(payload), 60)]
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(nil)
			out, err := f.Invoke(withID(t.Context()), []byte(payload))
			unsupported, ok := errors.AsType[*gateway.UnsupportedEvent](err)
			if out != nil || !ok || unsupported.What != what || err.Error() != "unsupported event: "+what {
				t.Errorf("%s: got %.80s, %v, want %s", name, out, err, what)
			}
			f.none(t)
			want := `{"timestamp":"2000-01-01T00:00:00Z","level":"ERROR","message":"invocation","requestId":"` + requestID + `","cold_starts":1,"error":` + fmt.Sprintf("%q", "unsupported event: "+what) + `,"FunctionName"`
			if got := f.out.String(); !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 1 {
				t.Errorf("%s: logged\n%s, want\n%s", name, got, want)
			}
		})
	}
}

// What an event calls itself is told if it looks like a name, of 64 letters,
// digits and a few signs at most.
func TestPlainNames(t *testing.T) {
	for source, plain := range map[string]bool{
		"azAZ09 .:_-": true, strings.Repeat("x", 64): true,
		"": false, strings.Repeat("x", 65): false, "a/b": false, "a;b": false, "a@b": false, "a[b": false, "a`b": false, "a{b": false, "a,b": false, "ü": false,
	} {
		f := newFixture(nil)
		payload, err := json.Marshal(map[string]string{"source": source, "detail-type": "x"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Invoke(t.Context(), payload)
		want := "unsupported event: a JSON object with the members [detail-type source]"
		if plain {
			want = `unsupported event: an EventBridge event "x" of ` + source
		}
		if err == nil || err.Error() != want {
			t.Errorf("%q: got %v", source, err)
		}
	}
}

// A member of another form than AWS documents is told by its name alone.
func TestMalformedMembers(t *testing.T) {
	const (
		rest = `{"httpMethod":"GET","path":"/v5.0/omr/x",%s}`
		http = `{"version":"2.0","rawPath":"/v5.0/omr/x","requestContext":{"http":{"method":"GET"}},%s}`
	)
	for _, test := range []struct{ event, member, value string }{
		{rest, "requestContext", `"canary-4711"`},
		{rest, "pathParameters", `["canary-4711"]`},
		{rest, "multiValueHeaders", `{"Accept":"canary-4711"}`},
		{rest, "headers", `{"Accept":["canary-4711"]}`},
		{rest, "queryStringParameters", `{"canary-4711":1}`},
		{rest, "queryStringParameters", `["canary-4711"]`},
		{rest, "multiValueQueryStringParameters", `{"a":"canary-4711"}`},
		{rest, "multiValueQueryStringParameters", `{"a":["canary-4711",1]}`},
		{http, "pathParameters", `"canary-4711"`},
		{http, "headers", `{"accept":{"a":"canary-4711"}}`},
	} {
		f := newFixture(nil)
		payload := fmt.Sprintf(test.event, fmt.Sprintf("%q:%s", test.member, test.value))
		_, err := f.Invoke(t.Context(), []byte(payload))
		if want := fmt.Sprintf("unsupported event: its member %q is not of the documented form", test.member); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", payload, err, want)
		}
	}
	for _, event := range []string{rest, http} {
		for _, body := range []string{`"body":{"a":"canary-4711"}`, `"body":4711`, `"body":4711,"isBase64Encoded":true`, `"body":"canary-4711\x"`} {
			f := newFixture(nil)
			_, err := f.Invoke(t.Context(), fmt.Appendf(nil, event, body))
			if err == nil || err.Error() != `unsupported event: its member "body" is not a string` {
				t.Errorf("%s: got %v", body, err)
			}
			f.none(t)
		}
	}
	f := newFixture(nil)
	_, err := f.Invoke(t.Context(), []byte(`{"version":"2.0","rawPath":"/","requestContext":"canary-4711"}`))
	if err == nil || err.Error() != `unsupported event: its member "requestContext" is not of the documented form` {
		t.Errorf("got %v", err)
	}
}
