package handler_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Everything goes back but what concerns the connection, and cookies.
func TestResponseHeaders(t *testing.T) {
	upstream := http.Header{
		"Content-Type": {"text/plain; charset=utf-8"}, "Location": {"/x"}, "Etag": {`"<&>"`}, "Retry-After": {"3"}, "Www-Authenticate": {`Bearer error="x"`},
		"X-Any": {"ü"}, "Date": {"Sat, 21 Nov 2026 10:00:00 GMT"}, "Server": {"Kestrel"}, "Empty": {""}, "None": nil,
		"Set-Cookie": {"a=b"}, "Connection": {"close, X-Hop", "x-other"}, "X-Hop": {"1"}, "X-Other": {"1"},
		"Keep-Alive": {"1"}, "Proxy-Authenticate": {"1"}, "Proxy-Authorization": {"1"}, "Proxy-Connection": {"1"},
		"Te": {"1"}, "Trailer": {"1"}, "Transfer-Encoding": {"1"}, "Upgrade": {"1"},
	}
	want := map[string]string{
		"Content-Type": "text/plain; charset=utf-8", "Location": "/x", "Etag": `"<&>"`, "Retry-After": "3", "Www-Authenticate": `Bearer error="x"`,
		"X-Any": "ü", "Date": "Sat, 21 Nov 2026 10:00:00 GMT", "Server": "Kestrel", "Empty": "",
	}
	for kind, e := range eachKind(http.MethodGet, resultPath) {
		f := newFixture(func(*http.Request) (*http.Response, error) { return respond(http.StatusOK, upstream, ""), nil })
		r := invoke(t, f, e)
		if !maps.Equal(r.Headers, want) || r.MultiValueHeaders != nil {
			t.Errorf("%s: got %v, %v", kind, r.Headers, r.MultiValueHeaders)
		}
	}
}

// A REST API takes repeated headers apart, the other payload format has no
// place for them.
func TestResponseHeadersRepeated(t *testing.T) {
	upstream := http.Header{"Vary": {"Accept", "Origin"}, "X-One": {"1"}}
	f := newFixture(func(*http.Request) (*http.Response, error) { return respond(http.StatusOK, upstream, ""), nil })
	r := invoke(t, f, resultEvent())
	if !maps.Equal(r.Headers, map[string]string{"X-One": "1"}) ||
		!maps.EqualFunc(r.MultiValueHeaders, map[string][]string{"Vary": {"Accept", "Origin"}}, slices.Equal) {
		t.Errorf("rest: got %v, %v", r.Headers, r.MultiValueHeaders)
	}
	functionURL := httpEvent(http.MethodGet, resultPath).with("requestContext", map[string]any{
		"http": map[string]string{"method": "GET"}, "domainName": "x.lambda-url.eu-central-1.on.aws",
	})
	for _, e := range []event{httpEvent(http.MethodGet, resultPath), functionURL} {
		r := invoke(t, f, e)
		if !maps.Equal(r.Headers, map[string]string{"X-One": "1", "Vary": "Accept, Origin"}) || r.MultiValueHeaders != nil {
			t.Errorf("http: got %v, %v", r.Headers, r.MultiValueHeaders)
		}
	}
}

// Every status is the upstream's to choose.
func TestStatusPassesThrough(t *testing.T) {
	for _, status := range []int{200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 403, 404, 409, 418, 422, 429, 500, 501, 502, 503, 504, 599} {
		f := newFixture(func(*http.Request) (*http.Response, error) {
			return respond(status, http.Header{"Location": {"https://elsewhere.test/"}}, "theirs"), nil
		})
		want := "theirs"
		if status == http.StatusNoContent || status == http.StatusNotModified {
			want = "" // such an answer has no body
		}
		for _, e := range eachKind(http.MethodPost, submitPath) {
			r := invoke(t, f, e)
			if r.StatusCode != status || string(r.body) != want || r.Headers["Location"] != "https://elsewhere.test/" {
				t.Errorf("%d: got %d %v %s", status, r.StatusCode, r.Headers, r.body)
			}
		}
		if len(f.calls) != 2 {
			t.Errorf("%d: %d calls for 2 events", status, len(f.calls))
		}
	}
}

// What comes compressed, though nobody asked for it, is unpacked and searched.
func TestLesson19_CompressedAnswerIsDecoded(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	fmt.Fprint(w, "the answer")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	upstream := listenRaw(t, func(wireRequest) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", packed.Len(), packed.Bytes())
	})
	relay := behindSocket(t, upstream.url(), "token")
	for kind, e := range eachKind(http.MethodGet, resultPath) {
		r := invoke(t, relay, e)
		if *r.IsBase64Encoded || string(r.body) != "the answer" || r.Headers["Content-Encoding"] != "" {
			t.Errorf("%s: got %v %x", kind, r.Headers, r.body)
		}
	}
}

// The answer to HEAD tells a length and has no body.
func TestHead(t *testing.T) {
	const length = "7000000" // more than could come back
	upstream := listenRaw(t, func(wireRequest) string { return "HTTP/1.1 200 OK\r\nContent-Length: " + length + "\r\n\r\n" })
	relay := behindSocket(t, upstream.url(), "token")
	for kind, e := range eachKind(http.MethodHead, resultPath) {
		r := invoke(t, relay, e)
		if r.StatusCode != http.StatusOK || r.Headers["Content-Length"] != length || len(r.body) != 0 {
			t.Errorf("%s: got %d %v %q", kind, r.StatusCode, r.Headers, r.body)
		}
	}
	if n := upstream.connections(); n != 1 {
		t.Errorf("%d connections, want 1 that is kept", n)
	}
}

// A status that is none cannot be passed on: API Gateway answers 502 to it, and says
// nothing of the call that was made.
func TestStatusThatIsNone(t *testing.T) {
	for _, status := range []int{0, 1, 99, 100, 102, 199, 600, 999} {
		for kind, e := range eachKind(http.MethodPost, submitPath) {
			closed := false
			f := newFixture(func(*http.Request) (*http.Response, error) {
				r := respond(status, nil, "text")
				r.Body = struct {
					io.Reader
					io.Closer
				}{r.Body, closer(func() { closed = true })}
				return r, nil
			})
			p := wantProblem(t, invoke(t, f, e), http.StatusBadGateway, "upstream_invalid_answer")
			if !strings.Contains(p.Detail, "The call was made") || !closed {
				t.Errorf("%s, %d: %q, closed %t", kind, status, p.Detail, closed)
			}
		}
	}
}
