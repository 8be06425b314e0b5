package token

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strings"
	"testing"

	"omr-relay/internal/problem"
)

// codings are those that an answer is decoded from; "raw" is deflate without the
// zlib format.
var codings = map[string]func(io.Writer) io.WriteCloser{
	"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"x-gzip":  func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
	"raw":     func(w io.Writer) io.WriteCloser { out, _ := flate.NewWriter(w, 1); return out },
}

var chains = []string{"", "identity", "gzip", "x-gzip", "deflate", "raw", "gzip, gzip", "raw, gzip", "deflate, identity, x-gzip", "br", "gzip, zstd"}

// encode applies a chain of codings, and says how an answer names it. ok is false
// where no decoder is to be expected.
func encode(chain string, text []byte) (name string, coded []byte, ok bool) {
	ok = true
	for coding := range strings.SplitSeq(chain, ", ") {
		if coding == "" || coding == "identity" {
			continue
		}
		writer, known := codings[coding]
		if !known {
			ok = false
			continue
		}
		var out bytes.Buffer
		w := writer(&out)
		_, _ = w.Write(text)
		_ = w.Close()
		text = out.Bytes()
	}
	return strings.ReplaceAll(chain, "raw", "deflate"), text, ok
}

// FuzzLesson19_AnyCodingAnyCut: however an answer is coded and wherever it is cut,
// it comes through decoded, or is withheld where it shows the token or cannot be
// decoded. The token never comes through.
func FuzzLesson19_AnyCodingAnyCut(f *testing.F) {
	for i := range chains {
		f.Add(uint8(i), []byte("<pre>authorization: Bearer "), uint8(0), uint8(200), []byte{1, 7, 3}, uint16(600))
		f.Add(uint8(i), []byte(`{"id":"t1","responseStatusCode":"Ok"}`), uint8(9), uint8(20), []byte{200}, uint16(1))
		f.Add(uint8(i), []byte{}, uint8(0), uint8(0), []byte{}, uint16(33))
	}
	jwt := aJWT()
	e := newEcho(jwt)
	f.Fuzz(func(t *testing.T, which uint8, text []byte, from, to uint8, cuts []byte, size uint16) {
		begin := min(int(from), len(aSignature))
		text = append(text, aSignature[begin:max(begin, min(int(to), len(aSignature)))]...)
		chain := chains[int(which)%len(chains)]
		name, coded, decodable := encode(chain, text)
		var parts []string
		for rest := string(coded); rest != ""; {
			n := len(rest)
			if len(cuts) > 0 {
				n, cuts = min(n, int(cuts[0])+1), cuts[1:]
			}
			parts, rest = append(parts, rest[:n]), rest[n:]
		}
		resp := &http.Response{StatusCode: http.StatusOK, ContentLength: int64(len(coded)),
			Header: http.Header{"Content-Length": {"1"}, "Content-Encoding": {name}}, Body: &pieces{left: parts, err: io.EOF}}
		err := guard(resp, e)
		if !decodable {
			if problem.From(err).Code != problem.UpstreamInvalidAnswer {
				t.Errorf("%s: %v", chain, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		var out []byte
		buf := make([]byte, int(size)+1)
		for err == nil {
			var n int
			n, err = resp.Body.Read(buf)
			out = append(out, buf[:n]...)
		}
		switch shown := shows(string(text), jwt); {
		case shows(string(out), jwt):
			t.Errorf("%s: the token came through", chain)
		case shown && problem.From(err).Code != problem.UpstreamEchoedToken:
			t.Errorf("%s: ended with %v", chain, err)
		case !shown && (err != io.EOF || !bytes.Equal(out, text)): //nolint:errorlint // as io.Reader has it
			t.Errorf("%s: %q became %q, %v", chain, text, out, err)
		}
		if plain := chain == "" || chain == "identity"; plain != (resp.Header.Get("Content-Length") != "") || !plain && resp.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: header %v", chain, resp.Header)
		}
	})
}

// What no decoder understands is the upstream's fault; a connection that breaks is
// not taken for it.
func TestLesson19_WhatCannotBeDecodedIsWithheld(t *testing.T) {
	rt, bodies := answering(t, func(string) *http.Response {
		return answerOf(http.Header{"Content-Encoding": {"gzip"}}, "no gzip")
	})
	if out, err := fetch(t, rt); out != "" || problem.From(err).Code != problem.UpstreamInvalidAnswer || !(*bodies)[0].closed {
		t.Errorf("%q, %v", out, err)
	}
	rt, bodies = answering(t, func(string) *http.Response { return answerOf(http.Header{"Content-Encoding": {"br"}}, "x") })
	if out, err := fetch(t, rt); out != "" || problem.From(err).Code != problem.UpstreamInvalidAnswer || !(*bodies)[0].closed {
		t.Errorf("%q, %v", out, err)
	}
}

// Whatever the caller wants, the answer is asked for whole and as it is: a part of
// it, or a coding, would go past the guard.
func TestNothingCodedAndNoPartIsAskedFor(t *testing.T) {
	rt, _ := answering(t, func(string) *http.Response { return answerOf(nil, "text") })
	base := rt.Base
	rt.Base = roundTripper(func(req *http.Request) (*http.Response, error) {
		if got := req.Header.Values("Accept-Encoding"); len(got) != 1 || got[0] != "identity" || req.Header.Get("Range") != "" {
			t.Errorf("asked for %v", req.Header)
		}
		return base.RoundTrip(req)
	})
	for _, header := range []http.Header{nil, {"Range": {"bytes=0-20"}, "Accept-Encoding": {"gzip, br"}}} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://upstream.test/v5.0/omr/x", nil)
		req.Header = header
		resp, err := rt.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if header != nil && len(header) != 2 {
			t.Errorf("the caller's request has changed: %v", header)
		}
	}
}
