package handler_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

const payloadLimit = 6 << 20

// bodyOf is an answer of the upstream that may not say how long it is.
func bodyOf(body io.Reader, length int64) roundTrip {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(body), ContentLength: length}, nil
	}
}

// What counts is the size of the answer that Lambda carries, to the byte.
func TestResponseTooLarge(t *testing.T) {
	// What the answer has besides its body.
	frame := len(`{"statusCode":200,"headers":{"Content-Type":"application/octet-stream"},"isBase64Encoded":false,"body":""}`)
	packed := base64.StdEncoding.DecodedLen((payloadLimit - frame + 1) / 4 * 4)
	for name, test := range map[string]struct {
		unit  string
		fits  int // times unit
		extra int // times unit that do not fit any more
	}{
		"plain":   {"x", payloadLimit - frame, payloadLimit - frame + 1},
		"escaped": {"\"", (payloadLimit - frame) / 2, (payloadLimit-frame)/2 + 1},
		"control": {"\x01", (payloadLimit - frame) / 6, (payloadLimit-frame)/6 + 1},
		"base64":  {"\xff", packed, packed + 3},
		"raw":     {"\xff", 3, payloadLimit + 1},
	} {
		t.Run(name, func(t *testing.T) {
			// One payload format with a Content-Length, the other without: they
			// have nothing to do with one another.
			for kind, e := range eachKind(http.MethodGet, resultPath) {
				known := kind == "rest"
				length := func(n int) int64 {
					if !known {
						return -1
					}
					return int64(n)
				}
				fits := newFixture(bodyOf(strings.NewReader(strings.Repeat(test.unit, test.fits)), length(test.fits)))
				if r := invoke(t, fits, e); r.StatusCode != http.StatusOK || len(r.body) != test.fits || strings.Trim(string(r.body), test.unit) != "" {
					t.Errorf("%s, length known %t: %d bytes answered with %d and %d bytes", kind, known, test.fits, r.StatusCode, len(r.body))
				}
				large := newFixture(bodyOf(strings.NewReader(strings.Repeat(test.unit, test.extra)), length(test.extra)))
				r := invoke(t, large, e)
				p := wantProblem(t, r, http.StatusBadGateway, "response_too_large")
				if !strings.Contains(p.Detail, "The call was made") {
					t.Errorf("%q does not say that the call was made", p.Detail)
				}
			}
		})
	}
}

// An answer that never ends is not read to its end.
func TestResponseWithoutEnd(t *testing.T) {
	endless := &countingReader{}
	f := newFixture(bodyOf(endless, -1))
	wantProblem(t, invoke(t, f, resultEvent()), http.StatusBadGateway, "response_too_large")
	if endless.n > 2*payloadLimit {
		t.Errorf("%d bytes were read", endless.n)
	}
	declared := &countingReader{}
	f = newFixture(bodyOf(declared, payloadLimit+1))
	wantProblem(t, invoke(t, f, resultEvent()), http.StatusBadGateway, "response_too_large")
	if declared.n != 0 {
		t.Errorf("%d bytes were read of an answer that says it is too large", declared.n)
	}
}

type countingReader struct{ n int }

func (r *countingReader) Read(p []byte) (int, error) {
	r.n += len(p)
	return len(p), nil
}

// The length of an answer is told to the byte, and so is a body cut short.
func TestBrokenAnswer(t *testing.T) {
	for name, answer := range map[string]string{
		"no answer":      "",
		"not HTTP":       "SSH-2.0-OpenSSH_9.9\r\n\r\n",
		"broken header":  "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"broken status":  "HTTP/1.1 two OK\r\n\r\n",
		"short body":     "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\nabc",
		"short chunk":    "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
		"broken chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
		"missing chunk":  "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"endless header": "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			upstream := listenRaw(t, func(wireRequest) string { return answer + hangUp })
			relay := behindSocket(t, upstream.url(), "token")
			for _, e := range eachKind(http.MethodPost, submitPath) {
				wantProblem(t, invoke(t, relay, e), http.StatusBadGateway, "upstream_unreachable")
			}
			if n := len(upstream.requests()); n != 2 {
				t.Errorf("%d requests for 2 calls", n)
			}
		})
	}
	f := newFixture(bodyOf(io.MultiReader(strings.NewReader("abc"), brokenReader{}), -1))
	wantProblem(t, invoke(t, f, resultEvent()), http.StatusBadGateway, "upstream_unreachable")
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("broken") }

// Lambda's limit is that of the whole event.
func TestPayloadTooLarge(t *testing.T) {
	for kind, e := range eachKind(http.MethodPost, submitPath) {
		room := payloadLimit - len(e.withBody("").payload())
		f := newFixture(nil)
		if r := invoke(t, f, e.withBody(strings.Repeat("x", room))); r.StatusCode != http.StatusOK || len(f.only(t).body) != room {
			t.Errorf("%s: an event of exactly 6 MB was answered with %d", kind, r.StatusCode)
		}
		f = newFixture(nil)
		wantProblem(t, invoke(t, f, e.withBody(strings.Repeat("x", room+1))), http.StatusRequestEntityTooLarge, "payload_too_large")
		f.none(t)
	}
	// It concerns HTTP events alone.
	f := newFixture(nil)
	padded := bytes.ReplaceAll([]byte(`{"warmup": true}`), []byte(" "), bytes.Repeat([]byte(" "), payloadLimit))
	if out, err := f.Invoke(t.Context(), padded); err != nil || !strings.Contains(string(out), `"warm":true`) {
		t.Errorf("answered %s, %v", out, err)
	}
}
