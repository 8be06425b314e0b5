package httpanswer_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"omr-relay/internal/httpanswer"
	"omr-relay/internal/problem"
)

// coded applies one coding; "raw" is deflate without the zlib format.
func coded(t *testing.T, coding string, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip", "x-gzip", "GZip":
		w = gzip.NewWriter(&out)
	case "deflate":
		w = zlib.NewWriter(&out)
	case "raw":
		w, _ = flate.NewWriter(&out, 6)
	default:
		t.Fatal(coding)
	}
	_, err := w.Write(text)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// named is how an answer names the coding.
func named(codings ...string) string {
	return strings.ReplaceAll(strings.Join(codings, ", "), "raw", "deflate")
}

func answer(coding string, body io.Reader) *http.Response {
	return &http.Response{StatusCode: 200, ContentLength: 7, Body: io.NopCloser(body),
		Header: http.Header{"Content-Encoding": {coding}, "Content-Length": {"7"}, "Content-Type": {"text/plain"}}}
}

var chains = [][]string{
	{"gzip"}, {"x-gzip"}, {"GZip"}, {"deflate"}, {"raw"}, {"gzip", "gzip"}, {"deflate", "gzip"}, {"gzip", "raw"}, {"raw", "deflate", "gzip"},
}

func TestLesson19_WhatComesCodedIsDecoded(t *testing.T) {
	for _, text := range []string{"", "x", strings.Repeat("some text ", 1e5)} {
		for _, chain := range chains {
			body := []byte(text)
			for _, coding := range chain {
				body = coded(t, coding, body)
			}
			for name, r := range map[string]io.Reader{"whole": bytes.NewReader(body), "bytewise": iotest.OneByteReader(bytes.NewReader(body))} {
				resp := answer(named(chain...)+" ,identity", r)
				if err := httpanswer.Decode(resp); err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				if err != nil || string(got) != text {
					t.Errorf("%v, %s: %d bytes, %v", chain, name, len(got), err)
				}
				if len(resp.Header) != 1 || resp.ContentLength != -1 {
					t.Errorf("%v: %v, %d", chain, resp.Header, resp.ContentLength)
				}
			}
		}
	}
}

func TestWhatIsNotCodedStays(t *testing.T) {
	for _, coding := range []string{"identity", "", " , Identity"} {
		body := strings.NewReader("text")
		resp := answer(coding, body)
		before := resp.Body
		if err := httpanswer.Decode(resp); err != nil || resp.Body != before || resp.ContentLength != 7 || len(resp.Header) != 3 {
			t.Errorf("%q: %v, %v", coding, err, resp)
		}
	}
	// An answer to HEAD says how the body would be coded, and has none.
	for _, body := range []io.ReadCloser{http.NoBody, io.NopCloser(strings.NewReader(""))} {
		resp := answer("gzip", nil)
		resp.Body = body
		if err := httpanswer.Decode(resp); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(resp.Body); len(got) != 0 || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
}

func TestLesson19_WhatCannotBeDecodedIsRefused(t *testing.T) {
	for _, coding := range []string{"br", "zstd", "compress", "gzip, br", "aws-chunked", "gzip;q=1", "gzip, gzip, gzip, gzip", "canary"} {
		var ours *httpanswer.Error
		err := httpanswer.Decode(answer(coding, strings.NewReader("x")))
		if !errors.As(err, &ours) || strings.Contains(problem.Describe(err), "canary") {
			t.Errorf("%s: %v", coding, err)
		}
	}
	whole := coded(t, "gzip", bytes.Repeat([]byte("canary"), 1000))
	broken := bytes.Clone(whole)
	broken[len(broken)-5]++ // the checksum
	for name, test := range map[string]struct {
		coding string
		body   []byte
	}{
		"cut off":  {"gzip", whole[:len(whole)-9]},
		"text":     {"gzip", []byte("canary, and not gzip")},
		"changed":  {"gzip", broken},
		"rest":     {"gzip", append(bytes.Clone(whole), "canary canary"...)},
		"deflated": {"deflate", whole},
		"twice":    {"gzip, gzip", whole},
		"one byte": {"gzip", whole[:1]},
	} {
		resp := answer(test.coding, bytes.NewReader(test.body))
		if err := httpanswer.Decode(resp); err != nil {
			t.Fatal(err)
		}
		_, err := io.ReadAll(resp.Body)
		var ours *httpanswer.Error
		if !errors.As(err, &ours) || strings.Contains(problem.Describe(err), "canary") {
			t.Errorf("%s: %v", name, err)
		}
		if _, again := resp.Body.Read(make([]byte, 9)); !errors.Is(again, err) {
			t.Errorf("%s: then %v", name, again)
		}
	}
}

// The connection's failure is not taken for one of the coding.
func TestFailureUnderneathStays(t *testing.T) {
	whole := coded(t, "gzip", coded(t, "gzip", []byte("text")))
	for cut := range whole {
		resp := answer("gzip, gzip", io.MultiReader(bytes.NewReader(whole[:cut]), iotest.ErrReader(iotest.ErrTimeout)))
		if err := httpanswer.Decode(resp); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); !errors.Is(err, iotest.ErrTimeout) {
			t.Errorf("after %d bytes: %v", cut, err)
		}
	}
}

// What unfolds without end ends, and so does what unfolds to nothing.
func TestBombsAreNotRead(t *testing.T) {
	zeros := make([]byte, 1<<20)
	var bomb bytes.Buffer
	w, _ := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
	for range 210 {
		_, _ = w.Write(zeros)
	}
	_ = w.Close()
	resp := answer("gzip", &bomb)
	if err := httpanswer.Decode(resp); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	var ours *httpanswer.Error
	if !errors.As(err, &ours) || n > 208<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
}
