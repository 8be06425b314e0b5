package handler_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"omr-relay/handler/gateway"
)

// longText is what a form is made of; the fuzzer would spend its time on it.
var longText = regexp.MustCompile(`[A-Za-z0-9+/=]{200,}`)

// eventSeeds are the events of the repository, forms cut short.
func eventSeeds(f *testing.F) {
	f.Helper()
	for _, pattern := range []string{"../events/*.json", "testdata/events/*.json"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no events in %s, %v", pattern, err)
		}
		for _, file := range files {
			payload, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(longText.ReplaceAll(payload, []byte("AAEC")))
		}
	}
	for _, payload := range warmUps {
		f.Add([]byte(payload))
	}
}

// Whatever the event, Invoke answers or says what came, and what it sends is
// one well-formed request that stays inside its route.
func FuzzEvent(f *testing.F) {
	eventSeeds(f)
	f.Fuzz(func(t *testing.T, payload []byte) {
		fixture := newFixture(func(r *http.Request) (*http.Response, error) {
			checkSent(t, r)
			return respond(http.StatusOK, http.Header{"X-Any": {"1", "2"}}, "ok"), nil
		})
		before := bytes.Clone(payload)
		out, err := fixture.Invoke(t.Context(), payload)
		if !bytes.Equal(payload, before) {
			t.Error("the payload was changed")
		}
		if strings.Contains(fixture.out.String(), "panic") {
			t.Errorf("a panic: %s", fixture.out.String())
		}
		if err != nil {
			if _, ok := errors.AsType[*gateway.UnsupportedEvent](err); !ok || out != nil {
				t.Errorf("got %s, %T %v", out, err, err)
			}
			return
		}
		if !json.Valid(out) {
			t.Errorf("answered %s", out)
		}
		if n := strings.Count(fixture.out.String(), `"message":"invocation"`); n != 1 {
			t.Errorf("%d log lines", n)
		}
	})
}

// Whichever event carries a path, whatever is sent stays inside its route.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{
		submitPath, "/v5.0/omr/a%2Fb", "/v5.0/omr/..", "/v5.0/omr/%2e%2E/x", "/v5.0/omr/..;/x", "/v5.0/omr/%252e", "/v5.0/omr/a\\b", "/v5.0//omr/x",
		"/v5.0/omr/%c0%ae", "/v5.0/omr/ü b?c#d", "/v5.0/omr/100%", "/base/v5.0/omr/x", "/%765.0/omr/x", "/v5.0/omr/a\r\nb", "/healthz",
	} {
		f.Add(seed, strings.TrimPrefix(seed, "/"), "prod")
	}
	f.Fuzz(func(t *testing.T, path, proxy, stage string) {
		fixture := newFixture(func(r *http.Request) (*http.Response, error) {
			checkSent(t, r)
			return respond(http.StatusOK, nil, "ok"), nil
		})
		parameters := map[string]string{"proxy": proxy}
		stageOnly := map[string]any{"stage": stage, "http": map[string]string{"method": http.MethodGet}}
		for _, e := range []event{
			restEvent(http.MethodGet, path), restEvent(http.MethodGet, path).with("pathParameters", parameters),
			httpEvent(http.MethodGet, path), httpEvent(http.MethodGet, path).with("requestContext", stageOnly),
			httpEvent(http.MethodGet, path).with("routeKey", "ANY /{proxy+}").with("pathParameters", parameters),
		} {
			if r := invoke(t, fixture, e); r.StatusCode != 200 && r.StatusCode != 400 && r.StatusCode != 404 {
				t.Errorf("answered %d %s", r.StatusCode, r.body)
			}
		}
	})
}

var insideRoute = regexp.MustCompile(`^/v[0-9]+\.[0-9]+/omr/`)

// checkSent holds a call against what the contract says of every call.
func checkSent(t *testing.T, r *http.Request) {
	t.Helper()
	target := r.URL.RequestURI()
	raw, _, _ := strings.Cut(target, "?")
	// Upstreams read a path in different ways. All must end in the route.
	plain, err := url.PathUnescape(raw)
	if err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	again, err := url.PathUnescape(plain)
	if err != nil {
		again = plain
	}
	var cut []string
	for segment := range strings.SplitSeq(plain, "/") {
		name, _, _ := strings.Cut(segment, ";")
		cut = append(cut, strings.TrimRight(name, " "))
	}
	for reading, read := range map[string]string{
		"as it is": raw, "decoded": plain, "decoded twice": again,
		"with backslashes for slashes": strings.ReplaceAll(plain, `\`, "/"), "without parameters": strings.Join(cut, "/"),
	} {
		if reading != "as it is" && !insideRoute.MatchString(read+"/") {
			t.Errorf("%q, %s, is %q", raw, reading, read)
		}
		if clean := path.Clean(read); clean != strings.TrimRight(read, "/") {
			t.Errorf("%q, %s, is %q", raw, reading, clean)
		}
	}
	for name, values := range r.Header {
		if len(values) > 0 && !allowed(name) {
			t.Errorf("%s was forwarded", name)
		}
	}
	checkWire(t, r, target)
}

// checkWire reads what goes over the wire as a server does: one request, and
// the one that was meant.
func checkWire(t *testing.T, r *http.Request, target string) {
	t.Helper()
	body, err := r.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	out := r.Clone(r.Context())
	out.Body = body
	var wire bytes.Buffer
	if err := out.Write(&wire); err != nil {
		t.Fatalf("%q cannot be sent: %v", target, err)
	}
	in := bufio.NewReader(&wire)
	arrived, err := http.ReadRequest(in)
	if err != nil {
		t.Fatalf("%q: %v", target, err)
	}
	if arrived.Method != r.Method || arrived.RequestURI != target || arrived.Host != "upstream.test" {
		t.Errorf("%s %q arrived as %s %q at %q", r.Method, target, arrived.Method, arrived.RequestURI, arrived.Host)
	}
	for name := range arrived.Header {
		if !allowed(name) && name != "Content-Length" {
			t.Errorf("%s arrived", name)
		}
	}
	if n, err := io.Copy(io.Discard, arrived.Body); err != nil || n != r.ContentLength {
		t.Errorf("%d bytes of %d arrived, %v", n, r.ContentLength, err)
	}
	if rest, _ := io.ReadAll(in); len(rest) != 0 {
		t.Errorf("%q came after the request", rest)
	}
}

// Whatever the upstream answers, reading the event's answer as JSON gives back
// the status, the body and the headers.
func FuzzAnswer(f *testing.F) {
	for _, text := range texts {
		f.Add(200, []byte(text), "X-Any", text, text)
	}
	f.Add(599, allBytes(), "Content-Type", "text/plain", "\x1b")
	f.Add(200, []byte("typed twice"), "Content-Type", "", "text/plain") // the first of two may be empty
	f.Add(200, []byte("not typed"), "Content-Type", "", "")
	f.Fuzz(func(t *testing.T, status int, body []byte, name, value, second string) {
		name = http.CanonicalHeaderKey(name)
		status = 200 + (status%400+400)%400
		if !utf8.ValidString(name) || !utf8.ValidString(value) || !utf8.ValidString(second) {
			t.Skip("net/http gives no such answer")
		}
		switch name {
		case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Set-Cookie":
			t.Skip("not passed back")
		}
		header := http.Header{"X-Single": {value}}
		header[name] = []string{value, second}
		fixture := newFixture(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: -1}, nil
		})
		if status == http.StatusNoContent || status == http.StatusNotModified {
			body = nil // such an answer has none, whatever follows it
		}
		for kind, e := range eachKind(http.MethodGet, resultPath) {
			r := invoke(t, fixture, e)
			if r.StatusCode != status || !bytes.Equal(r.body, body) {
				t.Errorf("%s: %d %q came back as %d %q", kind, status, body, r.StatusCode, r.body)
			}
			if *r.IsBase64Encoded == utf8.Valid(body) || *r.IsBase64Encoded && *r.Body != base64.StdEncoding.EncodeToString(body) {
				t.Errorf("%s: %q is base64: %t", kind, body, *r.IsBase64Encoded)
			}
			got := r.MultiValueHeaders[name]
			if kind == "http" {
				got = []string{r.Headers[name]}
			}
			want := []string{value, second}
			if kind == "http" {
				want = []string{value + ", " + second}
			}
			if name == "Content-Type" && value+second == "" && len(body) > 0 {
				want = []string{"application/octet-stream"}
				if kind != "http" {
					got = []string{r.Headers[name]}
				}
			}
			if strings.Join(got, "\x00") != strings.Join(want, "\x00") || name != "X-Single" && r.Headers["X-Single"] != value {
				t.Errorf("%s: %s %q came back as %q", kind, name, want, got)
			}
		}
	})
}
