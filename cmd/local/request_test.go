package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// translate gives the event of a request that a server has read.
func translate(t *testing.T, method, target, body string, header http.Header) events.APIGatewayProxyRequest {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	maps.Copy(r.Header, header)
	payload, err := newEvent(r, []byte(body), caller{}, time.Unix(1795255200, 0))
	if err != nil {
		t.Fatal(err)
	}
	var event events.APIGatewayProxyRequest
	if err := json.Unmarshal(payload, &event); err != nil {
		t.Fatal(err)
	}
	return event
}

// The whole event, but for the random ids, is the one in testdata.
func TestRequestBecomesTheEventOfAPIGateway(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://127.0.0.1:3000/v5.0/omr/a%2Fb?b=2&a=%20x&a=y+z&empty=", nil)
	r.Header = http.Header{
		"Accept":          {"text/plain", "application/json"},
		"Authorization":   {"Bearer of-the-caller"},
		"Connection":      {"keep-alive"},
		"Content-Type":    {"application/json"},
		"User-Agent":      {"curl/8.14.1"},
		"X-Forwarded-For": {"198.51.100.7"},
	}
	payload, err := newEvent(r, []byte(`{"ä":"<&>"}`), caller{}, time.Unix(1795255200, 0))
	if err != nil {
		t.Fatal(err)
	}
	id := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
	if ids := id.FindAll(payload, -1); len(ids) != 2 || bytes.Equal(ids[0], ids[1]) {
		t.Errorf("ids %q, want two different ones", ids)
	}
	var got, want any
	if err := json.Unmarshal(id.ReplaceAll(payload, []byte("UUID")), &got); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/event.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		shown, _ := json.MarshalIndent(got, "", "  ")
		t.Errorf("got\n%s\nwant\n%s", shown, text)
	}
}

func TestRequestQuery(t *testing.T) {
	for raw, want := range map[string]map[string][]string{
		"":                  nil,
		"&&":                nil,
		"id=1&":             {"id": {"1"}},
		"a=2&b=9&a=1&a=2":   {"a": {"2", "1", "2"}, "b": {"9"}},
		"flag&x=":           {"flag": {""}, "x": {""}},
		"n%20%26=v%3D%2B+w": {"n &": {"v=+ w"}},
		"a=b=c;d":           {"a": {"b=c;d"}},
		"bad=%zz":           {"bad": {"%zz"}},
	} {
		event := translate(t, http.MethodGet, "/healthz?"+raw, "", nil)
		if got := event.MultiValueQueryStringParameters; !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
		for name, values := range want {
			if got := event.QueryStringParameters[name]; got != values[len(values)-1] {
				t.Errorf("%q: single %q is %q, want the last of %q", raw, name, got, values)
			}
		}
	}
}

func TestRequestPathStaysAsItWasSent(t *testing.T) {
	for target, want := range map[string]struct{ path, resource, proxy string }{
		"/v5.0/omr/a%2Fb%20c":             {"/v5.0/omr/a%2Fb%20c", "/{proxy+}", "v5.0/omr/a%2Fb%20c"},
		"/v5.0/omr/../x//y/%2e%2e":        {"/v5.0/omr/../x//y/%2e%2e", "/{proxy+}", "v5.0/omr/../x//y/%2e%2e"},
		"/v5.0/omr/x^y|z":                 {"/v5.0/omr/x^y|z", "/{proxy+}", "v5.0/omr/x^y|z"},
		"/v5.0/omr/x?id=%2F":              {"/v5.0/omr/x", "/{proxy+}", "v5.0/omr/x"},
		"/":                               {"/", "/", ""},
		"http://127.0.0.1/v5.0/a%2Fb?c=d": {"/v5.0/a%2Fb", "/{proxy+}", "v5.0/a%2Fb"},
	} {
		event := translate(t, http.MethodGet, target, "", nil)
		if event.Path != want.path || event.Resource != want.resource || event.PathParameters["proxy"] != want.proxy {
			t.Errorf("%s: path %q, resource %q, proxy %q, want %q", target,
				event.Path, event.Resource, event.PathParameters["proxy"], want)
		}
		if stage := "/" + stage + want.path; event.RequestContext.Path != stage {
			t.Errorf("%s: context path %q, want %q", target, event.RequestContext.Path, stage)
		}
	}
}

func TestRequestBody(t *testing.T) {
	for name, c := range map[string]struct {
		contentType, body string
		base64            bool
	}{
		"text":               {"text/plain", "größe\x00\n", false},
		"binary":             {"image/png", "\x89PNG\xff\xfe", true},
		"multipart":          {"Multipart/Form-Data ; boundary=x", "--x--", true},
		"octets":             {"application/octet-stream", "text", true},
		"nothing of a type":  {"application/octet-stream", "", false},
		"type that is close": {"application/octet-streams", "text", false},
	} {
		event := translate(t, http.MethodPost, "/x", c.body, http.Header{"Content-Type": {c.contentType}})
		got := event.Body
		if event.IsBase64Encoded {
			decoded, err := base64.StdEncoding.DecodeString(got)
			if err != nil {
				t.Fatal(err)
			}
			got = string(decoded)
		}
		if got != c.body || event.IsBase64Encoded != c.base64 {
			t.Errorf("%s: %q, base64 %v, want %q, %v", name, got, event.IsBase64Encoded, c.body, c.base64)
		}
	}
	payload, err := newEvent(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/x", nil), nil, caller{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(payload), `"body":null,"isBase64Encoded":false`) {
		t.Errorf("an event without a body: %s", payload)
	}
}

func TestRequestHeaders(t *testing.T) {
	event := translate(t, http.MethodPost, "http://relay.example:8080/x", "{}", http.Header{
		"Prefer":            {"a", "b"},
		"Transfer-Encoding": {"chunked"},
		"Keep-Alive":        {"1"},
		"Expect":            {"100-continue"},
	})
	if got := event.MultiValueHeaders["Prefer"]; !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("Prefer %q", got)
	}
	if got := event.Headers["Prefer"]; got != "b" {
		t.Errorf("single Prefer %q, want the last", got)
	}
	if got := event.Headers["Host"]; got != "relay.example:8080" {
		t.Errorf("Host %q", got)
	}
	for _, name := range []string{"Transfer-Encoding", "Keep-Alive", "Expect"} {
		if got, found := event.MultiValueHeaders[name]; found {
			t.Errorf("%s: %q reached the function", name, got)
		}
	}
	if event.RequestContext.DomainName != "relay.example" || event.RequestContext.DomainPrefix != "relay" {
		t.Errorf("domain %q, prefix %q", event.RequestContext.DomainName, event.RequestContext.DomainPrefix)
	}
}

// httptest.NewRequest refuses what a client can still send.
func TestRequestFromAnUnusualPeer(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/x", nil)
	r.Host, r.RemoteAddr = "relay.example", "@"
	payload, err := newEvent(r, nil, caller{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var event events.APIGatewayProxyRequest
	if err := json.Unmarshal(payload, &event); err != nil {
		t.Fatal(err)
	}
	if event.RequestContext.Identity.SourceIP != "@" || event.Headers["X-Forwarded-Port"] != "80" {
		t.Errorf("source %q, port %q", event.RequestContext.Identity.SourceIP, event.Headers["X-Forwarded-Port"])
	}
}
