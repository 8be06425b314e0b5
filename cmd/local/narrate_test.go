package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"omr-relay/internal/app"
)

// A roundTrip is an http.RoundTripper made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// hidden stands in every place whose content the narration must not show.
const hidden = "HIDDEN"

// hopAnswer is what a hop's other end answers, after a while.
type hopAnswer struct {
	hop         app.Hop
	status      int
	contentType string
	body        string
	err         error
	after       time.Duration
}

// pass sends one request through the narrator's decorator and reads the answer.
func (a hopAnswer) pass(t *testing.T, n *narrator) {
	t.Helper()
	next := roundTrip(func(*http.Request) (*http.Response, error) {
		<-time.After(a.after)
		if a.err != nil {
			return nil, a.err
		}
		header := http.Header{"Set-Cookie": {hidden}}
		if a.contentType != "" {
			header.Set("Content-Type", a.contentType)
		}
		return &http.Response{StatusCode: a.status, Header: header, Body: io.NopCloser(strings.NewReader(a.body))}, nil
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"https://api.example.com/v5.0/omr/a%2Fb?id="+hidden, strings.NewReader(hidden))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+hidden)
	resp, err := n.wrap(a.hop, next).RoundTrip(req)
	if !errors.Is(err, a.err) {
		t.Fatalf("error %v, want %v", err, a.err)
	}
	if err != nil {
		return
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != a.body {
		t.Fatalf("read %q and %v, want %q", body, err, a.body)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
}

// narrate has a narrator tell of one invocation and of every way to fail.
func narrate(t *testing.T, colour bool) string {
	t.Helper()
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		n := newNarrator(&out, colour)
		n.secrets, n.tokens, n.upstream = "the stand-in Secrets Manager", "the stand-in token service", "the stand-in Aspose.OMR"
		n.say("serving", "http://127.0.0.1:3000, until Ctrl-C")
		n.event([]byte(`{"httpMethod":"POST","path":"/v5.0/omr/a%2Fb","body":"HIDDEN"}`))
		for _, a := range []hopAnswer{
			{hop: app.HopSecret, status: 200, body: `{"SecretString":"HIDDEN"}`, after: 4200 * time.Microsecond},
			{hop: app.HopToken, status: 200, body: `{"access_token":"HIDDEN","expires_in":3600}`, after: 25 * time.Millisecond},
			{hop: app.HopUpstream, status: 200, contentType: "text/plain; charset=utf-8", body: strings.Repeat("x", 36), after: time.Second},
		} {
			a.pass(t, n)
		}
		n.answer([]byte(`{"statusCode":200,"body":"SElEREVO","isBase64Encoded":true}`), nil, "", 1031*time.Millisecond)

		for _, a := range []hopAnswer{
			{hop: app.HopSecret, status: 400, body: `{"__type":"com.amazonaws#ResourceNotFoundException","Message":"HIDDEN"}`},
			{hop: app.HopSecret, status: 400, body: `{"__type":"HIDDEN"}`},
			{hop: app.HopSecret, err: errors.New(hidden)},
			{hop: app.HopToken, status: 200, body: `{"access_token":"HIDDEN"}`},
			{hop: app.HopToken, status: 200, body: `HIDDEN`},
			{hop: app.HopToken, status: 401, body: `{"error":"invalid_client","error_description":"HIDDEN"}`},
			{hop: app.HopToken, status: 400, body: `{"error":"HIDDEN"}`},
			{hop: app.HopToken, err: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}},
			{hop: app.HopUpstream, status: 401},
			{hop: app.HopUpstream, err: context.DeadlineExceeded},
			{hop: app.HopUpstream, err: context.Canceled},
		} {
			a.pass(t, n)
		}
		n.answer([]byte(`{"statusCode":503,"body":"HIDDEN"}`), nil, "token_unavailable: the token endpoint answered 503", time.Millisecond)
		n.answer([]byte(`{"warm":true,"token_expires_in":3590.4}`), nil, "", time.Millisecond)
		n.answer([]byte(`{"warm":false}`), nil, "", time.Millisecond)
		n.answer(nil, errors.New(hidden), "", time.Millisecond)
		n.problem(errors.New("status code 7 is not one"))
	})
	return out.String()
}

func TestNarrationIsExactly(t *testing.T) {
	for name, colour := range map[string]bool{"testdata/narration.txt": false, "testdata/narration.colour.txt": true} {
		t.Run(name, func(t *testing.T) {
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := narrate(t, colour)
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if strings.Contains(got, hidden) {
				t.Error("the narration shows what it must not")
			}
		})
	}
}

// A body that breaks off breaks off at the same place with the same error.
func TestNarrationDoesNotDisturbTheBody(t *testing.T) {
	broken := errors.New("broken")
	var out bytes.Buffer
	n := newNarrator(&out, false)
	long := strings.Repeat("x", 3*maxKept)
	next := roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(io.MultiReader(strings.NewReader(long), iotest.ErrReader(broken)))}, nil
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://api.example.com/connect/token", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := n.wrap(app.HopToken, next).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if string(body) != long || !errors.Is(err, broken) {
		t.Errorf("read %d bytes and %v, want %d and %v", len(body), err, len(long), broken)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != 1 {
		t.Errorf("%d lines for one answer, want 1:\n%s", lines, out.String())
	}
}

// However long a body is, no more than its beginning is kept.
func TestNarrationKeepsLittleOfABody(t *testing.T) {
	long := strings.Repeat("0123456789", 100)
	var told string
	body := &watchedBody{ReadCloser: io.NopCloser(iotest.OneByteReader(strings.NewReader(long))), keep: 25, done: func(length int, kept []byte) {
		told = fmt.Sprintf("%d %s", length, kept)
	}}
	if _, err := io.Copy(io.Discard, body); err != nil {
		t.Fatal(err)
	}
	if want := "1000 " + long[:25]; told != want {
		t.Errorf("told of %q, want %q", told, want)
	}
}

// A body closed unread is told of all the same.
func TestNarrationOfABodyThatIsOnlyClosed(t *testing.T) {
	var out bytes.Buffer
	n := newNarrator(&out, false)
	next := roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 204, Body: http.NoBody}, nil
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "https://api.example.com/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := n.wrap(app.HopUpstream, next).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if out.Len() != 0 {
		t.Errorf("told before the answer was read: %s", out.String())
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "DELETE /x at : 204, 0 B, in") {
		t.Errorf("told %q", out.String())
	}
}

func TestDescribeEvent(t *testing.T) {
	for payload, want := range map[string]string{
		`{"httpMethod":"GET","path":"/a?id=1"}`:                                                            "REST API: GET /a",
		`{"version":"2.0","rawPath":"/b","requestContext":{"http":{"method":"PUT"}}}`:                      "HTTP API: PUT /b",
		`{"rawPath":"/c","requestContext":{"domainName":"x.lambda-url.y.on.aws","http":{"method":"GET"}}}`: "function URL: GET /c",
		`{"source":"aws.events","detail":{}}`:                                                              "EventBridge rule",
		`{"source":"aws.scheduler","detail":"{}"}`:                                                         "EventBridge Scheduler",
		`{"warmup":true}`: "warm-up",
		`{"Records":[]}`:  "an event of another kind",
		`not JSON`:        "an event of another kind",
		`{"version":2,"httpMethod":"GET","path":"/\u001b[2J"}`:            `REST API: GET "/\x1b[2J"`,
		`{"httpMethod":"GET","path":"/` + strings.Repeat("x", 300) + `"}`: "REST API: GET /" + strings.Repeat("x", 199) + "…",
	} {
		if got := describeEvent([]byte(payload)); got != want {
			t.Errorf("describeEvent(%s) = %q, want %q", payload, got, want)
		}
	}
}

func TestNarratorWarnsOfAnEventThatLambdaRefuses(t *testing.T) {
	var out bytes.Buffer
	n := newNarrator(&out, false)
	n.event(bytes.Repeat([]byte{' '}, lambdaLimit))
	n.event(bytes.Repeat([]byte{' '}, lambdaLimit+1))
	if got := strings.Count(out.String(), "Lambda takes no more"); got != 1 {
		t.Errorf("warned %d times, want once:\n%s", got, out.String())
	}
}

func TestSizeAndElapsed(t *testing.T) {
	for n, want := range map[int]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 3_600_000: "3.6 MB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0.0 ms", 9900 * time.Microsecond: "9.9 ms", 28 * time.Second: "28000 ms"} {
		if got := elapsed(d); got != want {
			t.Errorf("elapsed(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestColourOnlyOnATerminalThatShowsIt(t *testing.T) {
	// A character device, as a terminal is one.
	terminal, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, c := range []struct {
		name string
		w    io.Writer
		env  func(string) string
		want bool
	}{
		{"terminal", terminal, unset, true},
		{"locked terminal", &lockedWriter{w: terminal}, env(map[string]string{"TERM": "xterm"}), true},
		{"NO_COLOR", terminal, env(map[string]string{"NO_COLOR": "1"}), false},
		{"dumb", terminal, env(map[string]string{"TERM": "dumb"}), false},
		{"file", file, unset, false},
		{"buffer", &bytes.Buffer{}, unset, false},
	} {
		if got := colourful(c.w, c.env); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
