package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// InProcess returns a transport that hands every request to h on the caller's
// goroutine, without a socket: for tests in a testing/synctest bubble, where a
// real connection never becomes idle. It returns the context's error if that
// ended before h did, and cannot hijack or stream.
func InProcess(h http.Handler) http.RoundTripper { return inProcess{h} }

type inProcess struct{ handler http.Handler }

func (t inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	r := req.Clone(req.Context())
	if req.Body != nil {
		defer func() { _ = req.Body.Close() }() // RoundTrip's contract; nothing was written to it
	} else {
		r.Body = http.NoBody
	}
	r.RequestURI = req.URL.RequestURI()
	// As a server sees it: the target is parsed anew, whatever made it.
	target, err := url.ParseRequestURI(r.RequestURI)
	if err != nil {
		return nil, fmt.Errorf("in-process request target: %w", err)
	}
	r.URL = target
	r.RemoteAddr = "127.0.0.1:1"
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	if r.Host == "" {
		r.Host = req.URL.Host
	}

	w := &answer{header: http.Header{}}
	if broken := w.run(t.handler, r); broken {
		return nil, fmt.Errorf("in-process handler: %w", io.ErrUnexpectedEOF)
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	return w.response(req), nil
}

// answer collects what a handler writes.
type answer struct {
	header, sent http.Header
	status       int
	body         bytes.Buffer
}

// run reports whether the handler broke the connection on purpose.
func (w *answer) run(h http.Handler, r *http.Request) (broken bool) {
	defer func() {
		if p := recover(); p == http.ErrAbortHandler { //nolint:errorlint // the server compares it like this too
			broken = true
		} else if p != nil {
			panic(p)
		}
	}()
	h.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK)
	return false
}

func (w *answer) Header() http.Header { return w.header }

func (w *answer) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *answer) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

func (w *answer) response(req *http.Request) *http.Response {
	length := int64(w.body.Len())
	if req.Method == http.MethodHead {
		w.body.Reset()
	}
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)),
		StatusCode:    w.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        w.sent,
		Body:          io.NopCloser(&w.body),
		ContentLength: length,
		Request:       req,
	}
}
