package handler_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

// Texts that some JSON writer or reader on the way gets wrong.
var texts = []string{
	"", " ", "plain", "{}", `{"a":"\"\\\/\b"}`, "<>&", "\u2028\u2029", "ü€😀", "\x00\x01\x1f\x7f", "a\r\nb\tc\n", `\u0041`, "\ufeffbom", "\ufffd", "\uffff", "12345678-1234-4123-8123-123456789abc",
}

// allBytes are the 256 byte values, twice, so that each has a neighbour.
func allBytes() []byte {
	var b []byte
	for i := range 512 {
		b = append(b, byte(i))
	}
	return b
}

func TestRequestBody(t *testing.T) {
	for _, text := range texts {
		for _, method := range []string{http.MethodPost, http.MethodDelete, http.MethodGet, http.MethodPut} {
			for kind, e := range eachKind(method, resultPath) {
				f := newFixture(nil)
				invoke(t, f, e.withBody(text))
				invoke(t, f, e.withBody(base64.StdEncoding.EncodeToString([]byte(text))).with("isBase64Encoded", true))
				for _, call := range f.calls {
					if string(call.body) != text {
						t.Errorf("%s %s: %q became %q", kind, method, text, call.body)
					}
				}
			}
		}
	}
}

// Spellings of a JSON string that encoding/json does not write.
func TestRequestBodySpellings(t *testing.T) {
	for raw, want := range map[string]string{
		`null`:           "",
		`"\/\u00fC"`:     "/ü",
		`"\ud83d\ude00"`: "😀",
		`"\ud83d"`:       "\ufffd",
		`"\ude00x"`:      "\ufffdx",
		"\"\xff\"":       "\xff",
	} {
		f := newFixture(nil)
		payload := fmt.Sprintf(`{"httpMethod":"POST","path":%q,"body":%s}`, submitPath, raw)
		if _, err := f.Invoke(t.Context(), []byte(payload)); err != nil {
			t.Fatal(err)
		}
		if got := string(f.only(t).body); got != want {
			t.Errorf("%s became %q, want %q", raw, got, want)
		}
	}
}

func TestRequestBodyBase64(t *testing.T) {
	all := allBytes()
	encoded := base64.StdEncoding.EncodeToString(all)
	for name, test := range map[string]struct {
		body string // raw JSON
		want []byte // nil: refused
	}{
		"all bytes":       {`"` + encoded + `"`, all},
		"escaped slashes": {`"` + strings.ReplaceAll(encoded, "/", `\/`) + `"`, all},
		"escaped text":    {`"` + strings.ReplaceAll(encoded, "A", `\u0041`) + `"`, all},
		"line breaks":     {`"AAEC\r\nAwQ=\n"`, []byte{0, 1, 2, 3, 4}},
		"nothing":         {`""`, []byte{}},
		"null":            {`null`, []byte{}},
		"not base64":      {`"{}"`, nil},
		"no padding":      {`"AAECAwQ"`, nil},
		"URL alphabet":    {`"-_-_"`, nil},
		"trailing":        {`"AAEC="`, nil},
		"broken escape":   {`"AAEC\x"`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for _, event := range []string{
				`{"httpMethod":"POST","path":%q,"isBase64Encoded":true,"body":%s}`,
				`{"version":"2.0","rawPath":%q,"requestContext":{"http":{"method":"POST"}},"isBase64Encoded":true,"body":%s}`,
			} {
				f := newFixture(nil)
				out, err := f.Invoke(withID(t.Context()), fmt.Appendf(nil, event, submitPath, test.body))
				if err != nil {
					t.Fatal(err)
				}
				if test.want == nil {
					wantProblem(t, readReply(t, out), http.StatusBadRequest, "bad_request")
					f.none(t)
				} else if got := f.only(t).body; !bytes.Equal(got, test.want) {
					t.Errorf("got %x", got)
				}
			}
		})
	}
}

// The bytes that reach a real upstream, and those that come back, are all
// there; text goes back as text.
func TestBodiesOnTheWire(t *testing.T) {
	upstream := listenRaw(t, func(r wireRequest) string { return rawAnswer(http.StatusOK, string(r.body)) })
	relay := behindSocket(t, upstream.url(), "token")
	bodies := [][]byte{allBytes(), []byte("\xff"), []byte("a\xc3"), []byte("\xed\xa0\x80")}
	for _, text := range texts {
		bodies = append(bodies, []byte(text))
	}
	for _, body := range bodies {
		for kind, e := range eachKind(http.MethodPost, submitPath) {
			e = e.withBody(base64.StdEncoding.EncodeToString(body)).with("isBase64Encoded", true)
			r := invoke(t, relay, e)
			requests := upstream.requests()
			if got := requests[len(requests)-1].body; !bytes.Equal(got, body) {
				t.Errorf("%s: %q arrived as %q", kind, body, got)
			}
			if !bytes.Equal(r.body, body) || *r.IsBase64Encoded == utf8.Valid(body) {
				t.Errorf("%s: %q came back as %q, base64 %t", kind, body, r.body, *r.IsBase64Encoded)
			}
		}
	}
}

// A DELETE keeps its body and a GET its Content-Type, as the SDKs send them;
// a POST without a body says so, and a GET says nothing of one.
func TestBodiesThatSDKsSend(t *testing.T) {
	upstream := listenRaw(t, okTo)
	relay := behindSocket(t, upstream.url(), "token")
	const header = "Accept-Encoding: identity\nAuthorization: Bearer token\nContent-Length: %s\nContent-Type: application/json\nHost: upstream.test"
	for _, test := range []struct{ method, body, length string }{
		{http.MethodDelete, "{}", "2"}, {http.MethodPost, "", "0"}, {http.MethodPut, "", "0"}, {http.MethodPatch, "", "0"},
		{http.MethodGet, "", ""}, {http.MethodDelete, "", ""}, {http.MethodHead, "", ""}, {http.MethodOptions, "", ""},
	} {
		invoke(t, relay, restEvent(test.method, resultPath).withBody(test.body).withHeaders("Content-Type", "application/json"))
		requests := upstream.requests()
		got := requests[len(requests)-1]
		want := fmt.Sprintf(header, test.length)
		if test.length == "" {
			want = strings.Replace(want, "Content-Length: \n", "", 1)
		}
		if strings.Join(got.fields, "\n") != want || string(got.body) != test.body {
			t.Errorf("%s %q arrived as\n%s", test.method, test.body, got)
		}
	}
}

// The runtime uses an event's memory again: nothing of the relay may look at
// it, nor at what was made of it, after Invoke has returned.
func TestNothingKeepsThePayload(t *testing.T) {
	body := strings.Repeat("the body ", 100)
	for kind, e := range eachKind(http.MethodPost, submitPath+"/payload%20kept") {
		for _, base64d := range []bool{false, true} {
			e := e.withBody(body).withHeaders("Content-Type", "text/payload")
			if base64d {
				e = e.withBody(base64.StdEncoding.EncodeToString([]byte(body))).with("isBase64Encoded", true)
			}
			var kept *http.Request
			f := newFixture(func(r *http.Request) (*http.Response, error) {
				kept = r
				again, err := r.GetBody()
				if err != nil {
					return nil, err
				}
				return &http.Response{StatusCode: http.StatusOK, Header: r.Header, Body: again, ContentLength: -1}, nil
			})
			payload := e.payload()
			out, err := f.Invoke(t.Context(), payload)
			if err != nil {
				t.Fatal(err)
			}
			snapshot := func() string {
				if _, err := kept.GetBody(); err == nil {
					t.Error("the body can still be had: its memory may be another call's by now")
				}
				return fmt.Sprint(kept.Method, kept.URL.RequestURI(), kept.Header, string(out), f.out.String())
			}
			before := snapshot()
			for i := range payload {
				payload[i] = '#'
			}
			if after := snapshot(); after != before || !strings.Contains(after, body) {
				t.Errorf("%s, base64 %t: was\n%s\nis\n%s", kind, base64d, before, after)
			}
		}
	}
}
