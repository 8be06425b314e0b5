package gateway_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"omr-relay/handler/gateway"
)

const path = "/v5.0/omr/RecognizeTemplate/GetRecognizeTemplate"

// event is one that is right; its members can be replaced.
func event(version string) map[string]any {
	context := map[string]any{"stage": "prod", "http": map[string]any{"method": "GET"}}
	if version == "2.0" {
		return map[string]any{"version": "2.0", "rawPath": path, "routeKey": "$default", "headers": map[string]any{"accept": "a/b"}, "requestContext": context}
	}
	e := map[string]any{
		"httpMethod": "GET", "path": path, "resource": "/{proxy+}", "pathParameters": map[string]any{"proxy": path[1:]},
		"headers": map[string]any{"Accept": "a/b"}, "requestContext": context,
	}
	if version != "" {
		e["version"] = version
	}
	return e
}

func decode(t *testing.T, e map[string]any) *gateway.Event {
	t.Helper()
	payload, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := gateway.Decode(payload)
	if err != nil {
		t.Fatalf("%v: %s", err, payload)
	}
	t.Cleanup(got.Request.Release)
	return got
}

// anyJSON are values of every type, well-formed and surprising.
var anyJSON = []string{
	`null`, `true`, `0`, `-1.5e300`, `""`, `"text"`, `"{\"sub\":\"a\"}"`, `[]`, `[1]`, `["a"]`, `[[]]`, `{}`, `{"a":1}`, `{"sub":1}`, `{"sub":null}`, `{"":{}}`, `{"client_id":["x"]}`,
}

// TestLesson17_WhatOnlyTheLogReadsDecidesNothing puts any value into each member
// that nothing but the log reads: the request is the same.
func TestLesson17_WhatOnlyTheLogReadsDecidesNothing(t *testing.T) {
	places := [][]string{
		{"identity"}, {"identity", "apiKeyId"}, {"identity", "caller"}, {"identity", "userArn"},
		{"authorizer"}, {"authorizer", "principalId"}, {"authorizer", "claims"}, {"authorizer", "claims", "sub"}, {"authorizer", "claims", "client_id"},
		{"authorizer", "iam"}, {"authorizer", "iam", "callerId"}, {"authorizer", "jwt"}, {"authorizer", "jwt", "claims"}, {"authorizer", "jwt", "claims", "sub"},
		{"requestId"}, {"accountId"}, {"requestTimeEpoch"},
	}
	for _, version := range []string{"", "1.0", "2.0"} {
		for _, place := range places {
			for _, value := range anyJSON {
				e := event(version)
				at := maps.Clone(e["requestContext"].(map[string]any))
				e["requestContext"] = at
				for _, name := range place[:len(place)-1] {
					next := map[string]any{}
					at[name] = next
					at = next
				}
				at[place[len(place)-1]] = json.RawMessage(value)
				got := decode(t, e)
				if got.Request.Path != path || got.Request.Method != "GET" || got.Request.Header.Get("Accept") != "a/b" {
					t.Errorf("%q, %v = %s: %+v", version, place, value, got.Request)
				}
				if c := got.Request.Caller; strings.ContainsAny(c.KeyID+c.Principal, "{[\"\n") {
					t.Errorf("%q, %v = %s: logged %+v", version, place, value, c)
				}
			}
		}
	}
}

func TestCallersNames(t *testing.T) {
	for name, want := range map[string]string{
		"AROAEXAMPLE:a.teacher@school.example":             "AROAEXAMPLE:a.teacher@school.example",
		"AROAEXAMPLE:" + strings.Repeat("s", 64):           "AROAEXAMPLE:" + strings.Repeat("s", 64),
		"arn:aws:sts::123456789012:assumed-role/r/s=1,2+3": "arn:aws:sts::123456789012:assumed-role/r/s=1,2+3",
		"auth0|5f7c8ec7c33c6c004bbafe82":                   "auth0|5f7c8ec7c33c6c004bbafe82",
		"":                                                 "",
		strings.Repeat("x", 257):                           "",
		"two\nlines":                                       "",
		"<script>":                                         "",
	} {
		e := event("")
		e["requestContext"] = map[string]any{"identity": map[string]any{"caller": name}}
		if got := decode(t, e).Request.Caller.Principal; got != want {
			t.Errorf("%q became %q", name, got)
		}
	}
}

// What is a caller's own is under its digest: each identity has one, whatever else
// of a call differs, and no two have the same.
func TestCallersDigests(t *testing.T) {
	in := func(version string, context map[string]any) string {
		e := event(version)
		e["requestContext"] = context
		return decode(t, e).Request.Caller.Digest()
	}
	identity := func(of map[string]any) map[string]any { return map[string]any{"identity": of} }
	authorizer := func(of map[string]any) map[string]any { return map[string]any{"authorizer": of} }
	claims := func(of map[string]any) map[string]any { return map[string]any{"claims": of} }
	const role = "arn:aws:sts::111122223333:assumed-role/scanner/"
	groups := map[string][]string{
		"key": {
			in("", identity(map[string]any{"apiKeyId": "abc", "caller": "AROA:one", "userArn": role + "one"})),
			in("", identity(map[string]any{"apiKeyId": "abc", "sourceIp": "192.0.2.1"})),
		},
		"another key": {in("", identity(map[string]any{"apiKeyId": "abd"}))},
		"app client": {
			in("", authorizer(claims(map[string]any{"client_id": "abc", "sub": "a"}))),
			in("", authorizer(claims(map[string]any{"client_id": "abc", "sub": "b"}))),
			in("1.0", authorizer(map[string]any{"jwt": claims(map[string]any{"client_id": "abc"})})),
			in("2.0", authorizer(map[string]any{"jwt": claims(map[string]any{"client_id": "abc"})})),
		},
		"role": {
			in("", identity(map[string]any{"caller": "AROA:one", "userArn": role + "one"})),
			in("", identity(map[string]any{"caller": "AROA:two", "userArn": role + "two"})),
			in("2.0", authorizer(map[string]any{"iam": map[string]any{"userArn": role + "three"}})),
		},
		"role of that name elsewhere": {in("", identity(map[string]any{"userArn": "arn:aws:sts::444455556666:assumed-role/scanner/one"}))},
		"user":                        {in("", identity(map[string]any{"userArn": "arn:aws:iam::111122223333:user/scanner/one"}))},
		"another user":                {in("", identity(map[string]any{"userArn": "arn:aws:iam::111122223333:user/scanner/two"}))},
		"subject": {
			in("2.0", authorizer(map[string]any{"jwt": claims(map[string]any{"iss": "https://id.example", "sub": "a", "azp": "app"})})),
			in("1.0", authorizer(map[string]any{"jwt": claims(map[string]any{"iss": "https://id.example", "sub": "a"})})),
		},
		"subject of another issuer": {in("2.0", authorizer(map[string]any{"jwt": claims(map[string]any{"iss": "https://other.example", "sub": "a"})}))},
		"authorizer":                {in("", authorizer(map[string]any{"principalId": "abc"}))},
		"nobody":                    {in("", identity(map[string]any{})), in("2.0", map[string]any{}), in("", authorizer(map[string]any{"principalId": "api-key"})), in("", identity(map[string]any{"apiKeyId": nil, "userArn": 7}))},
	}
	seen := map[string]string{}
	for name, digests := range groups {
		for _, digest := range digests {
			if digest != digests[0] || len(digest) != 32 || strings.Trim(digest, "0123456789abcdef") != "" {
				t.Errorf("%s: %q and %q", name, digests[0], digest)
			}
		}
		if other, ok := seen[digests[0]]; ok {
			t.Errorf("%s and %s are one", name, other)
		}
		seen[digests[0]] = name
	}
}

// TestLesson16_PayloadOneOfAnHTTPAPI tells such events from a REST API's, takes
// the stage off, and streams no answer to them.
func TestLesson16_PayloadOneOfAnHTTPAPI(t *testing.T) {
	for name, c := range map[string]struct {
		stage, path, resource string
		params                map[string]any
	}{
		"a stage, the default route":   {"dev", "/dev" + path, "$default", nil},
		"no stage, the default route":  {"$default", path, "$default", nil},
		"a stage, a route":             {"dev", "/dev" + path, "/{proxy+}", map[string]any{"proxy": path[1:]}},
		"a stage, a route's prefix":    {"dev", "/dev" + path, "/v5.0/{proxy+}", map[string]any{"proxy": path[len("/v5.0/"):]}},
		"a path that begins like it":   {"v5", path, "$default", nil},
		"a custom domain's base path":  {"$default", "/base" + path, "/{proxy+}", map[string]any{"proxy": path[1:]}},
		"the stage's name twice":       {"dev", "/dev" + path, "/{proxy+}", map[string]any{"proxy": path[1:]}},
		"a slash before the parameter": {"dev", "/dev" + path, "/{proxy+}", map[string]any{"proxy": path}},
	} {
		e := event("1.0")
		e["path"], e["resource"], e["pathParameters"] = c.path, c.resource, c.params
		e["requestContext"] = map[string]any{"stage": c.stage}
		got := decode(t, e)
		if got.Kind != gateway.HTTP || got.Streams || got.Request.Path != path {
			t.Errorf("%s: %s, streams %t, %s", name, got.Kind, got.Streams, got.Request.Path)
		}
	}
	if got := decode(t, event("")); got.Kind != gateway.REST || !got.Streams {
		t.Errorf("a REST API's: %s, streams %t", got.Kind, got.Streams)
	}
}

// empties is any way to say that there is nothing.
var empties = []string{`null`, `{}`, `{ }`, "{\n}", `{"a":null}`, `{"a":[]}`, `{"a":[ ]}`, `{"a":[null]}`, `{"a":null,"b":[]}`}

// TestLesson22_EmptyIsEmptyHoweverItIsSaid has the single-valued form count where
// the multi-valued one has no value, for query and headers alike.
func TestLesson22_EmptyIsEmptyHoweverItIsSaid(t *testing.T) {
	for _, empty := range append(empties, "") {
		e := event("")
		e["queryStringParameters"] = map[string]any{"id": "1"}
		if empty != "" {
			e["multiValueQueryStringParameters"] = json.RawMessage(empty)
			e["multiValueHeaders"] = json.RawMessage(empty)
		}
		got := decode(t, e).Request
		if got.Query != "id=1" || got.Header.Get("Accept") != "a/b" || len(got.Header) != 1 {
			t.Errorf("%s: query %q, header %v", empty, got.Query, got.Header)
		}
	}
	e := event("")
	e["multiValueHeaders"] = json.RawMessage(`{"Accept":["x/y"],"Content-Type":[null],"Prefer":null,"X":[null,"1"]}`)
	e["multiValueQueryStringParameters"] = json.RawMessage(`{"z":["1","2"]}`)
	e["queryStringParameters"] = map[string]any{"z": "2"}
	got := decode(t, e).Request
	if want := (http.Header{"Accept": {"x/y"}, "X": {"1"}}); !maps.EqualFunc(got.Header, want, slices.Equal[[]string]) || got.Query != "z=1&z=2" {
		t.Errorf("%v, %s", got.Header, got.Query)
	}
}

// What says that the body is base64 may be a text; anything else is no event.
func TestIsBase64Encoded(t *testing.T) {
	for flag, want := range map[string]string{
		`true`: "prüfung", `"true"`: "prüfung",
		`false`: "cHLDvGZ1bmc=", `"false"`: "cHLDvGZ1bmc=", `null`: "cHLDvGZ1bmc=", `""`: "cHLDvGZ1bmc=",
	} {
		e := event("")
		e["body"], e["isBase64Encoded"] = "cHLDvGZ1bmc=", json.RawMessage(flag)
		if got := decode(t, e).Request; string(got.Body.B) != want || got.Fault != nil {
			t.Errorf("%s: %q, %v", flag, got.Body.B, got.Fault)
		}
	}
	for _, flag := range []string{`1`, `"yes"`, `"True"`, `[]`, `{}`} {
		e := event("")
		e["body"], e["isBase64Encoded"] = "cHLDvGZ1bmc=", json.RawMessage(flag)
		payload, _ := json.Marshal(e)
		if _, err := gateway.Decode(payload); err == nil || err.Error() != `unsupported event: its member "isBase64Encoded" is not of the documented form` {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

// whole is what the answer becomes for a REST API.
func whole(t *testing.T, a *gateway.Answer) (headers map[string]string, body string) {
	t.Helper()
	out, err := decode(t, event("")).Whole(a)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Release()
	text, _ := out.Whole()
	var got struct {
		Headers map[string]string
		Body    string
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	return got.Headers, got.Body
}

func answer(header http.Header, body string) *gateway.Answer {
	return &gateway.Answer{Status: 200, Header: header, Body: io.NopCloser(strings.NewReader(body)), Length: -1}
}

// Field values are bytes, and once were ISO-8859-1: letters stay letters.
func TestLatin1HeaderValue(t *testing.T) {
	for value, want := range map[string]string{
		"attachment; filename=\"Pr\xfcfung.csv\"": "attachment; filename=\"Prüfung.csv\"",
		"Prüfung":      "Prüfung",
		"\xe9\xff\x80": "éÿ\u0080",
	} {
		if headers, _ := whole(t, answer(http.Header{"Content-Disposition": {value}}, "x")); headers["Content-Disposition"] != want {
			t.Errorf("%q became %q", value, headers["Content-Disposition"])
		}
	}
}

// A body without a type is bytes; API Gateway would call it JSON.
func TestAnswerWithoutAType(t *testing.T) {
	for _, header := range []http.Header{nil, {}, {"Content-Type": {""}}} {
		given := header.Clone()
		if headers, body := whole(t, answer(header, "x")); headers["Content-Type"] != "application/octet-stream" || body != "x" {
			t.Errorf("%v: %v %q", given, headers, body)
		}
		if !maps.EqualFunc(header, given, slices.Equal[[]string]) {
			t.Errorf("the answer's own header became %v", header)
		}
	}
	if headers, _ := whole(t, answer(http.Header{}, "")); len(headers) != 0 {
		t.Errorf("an answer without a body: %v", headers)
	}
	if headers, _ := whole(t, answer(http.Header{"Content-Type": {"text/csv"}}, "x")); headers["Content-Type"] != "text/csv" {
		t.Errorf("a type that is there: %v", headers)
	}
}

// FuzzDecode: any bytes are a request or an error that names what came, and
// nothing that only the log reads is longer than a name.
func FuzzDecode(f *testing.F) {
	for _, version := range []string{"", "1.0", "2.0"} {
		payload, err := json.Marshal(event(version))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	for _, value := range anyJSON {
		f.Add(fmt.Appendf(nil, `{"httpMethod":"GET","path":"/x","requestContext":{"authorizer":%s},"multiValueHeaders":%s}`, value, value))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		before := string(payload)
		e, err := gateway.Decode(payload)
		if string(payload) != before {
			t.Error("the event was changed")
		}
		if err != nil {
			return
		}
		if e.Request != nil {
			defer e.Request.Release()
			if c := e.Request.Caller; len(c.KeyID) > 256 || len(c.Principal) > 256 || strings.ContainsAny(c.KeyID+c.Principal, "\r\n\"") {
				t.Errorf("named %+v", c)
			}
		}
	})
}

// brokenOff gives its text together with the error that ends it, as readers may.
type brokenOff struct {
	texts []string
	err   error
}

func (b *brokenOff) Read(p []byte) (n int, err error) {
	n = copy(p, b.texts[0])
	if b.texts = b.texts[1:]; len(b.texts) == 0 {
		err = b.err
	}
	return n, err
}

func (b *brokenOff) Close() error { return nil }

// What came before an answer broke off is passed on, also where the error comes
// with it.
func TestStreamPassesOnWhatCameWithTheError(t *testing.T) {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF} {
		out, err := decode(t, event("")).Stream(&gateway.Answer{Status: 200, Body: &brokenOff{[]string{"be", "", "gun"}, end}, Length: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer out.Release()
		var got strings.Builder
		_, err = out.WriteTo(&got)
		if !strings.HasSuffix(got.String(), "\x00begun") || (err == nil) != (errors.Is(end, io.EOF)) {
			t.Errorf("%q, %v", got.String(), err)
		}
	}
}
