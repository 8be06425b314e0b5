package token

import (
	"errors"
	"io"
	"net/http"

	"omr-relay/internal/httpanswer"
	"omr-relay/internal/problem"
)

// guard puts a guard on an answer: its status and headers are searched at once,
// its body, decoded if it came coded, and its trailers as they are read. The error is a [*problem.Error].
func guard(resp *http.Response, e *echo) error {
	if e.inAny(resp.Status) || e.inHeader(resp.Header) {
		return errEchoed("before its body")
	}
	if err := httpanswer.Decode(resp); err != nil {
		return invalid(err)
	}
	if resp.Body != http.NoBody {
		resp.Body = &guardedBody{ReadCloser: resp.Body, echo: e, trailer: func() http.Header { return resp.Trailer }}
	}
	return nil
}

func (e *echo) inHeader(header http.Header) bool {
	for name, values := range header {
		if e.inAny(name) || e.inAny(values...) {
			return true
		}
	}
	return false
}

func errEchoed(where string) *problem.Error {
	return &problem.Error{Code: problem.UpstreamEchoedToken, Detail: "The upstream's answer repeats the access token, and is withheld.",
		Reason: "the upstream's answer repeats the access token, " + where}
}

// invalid makes a [*problem.Error] of what is wrong with an answer itself, and
// leaves other errors as they are.
func invalid(err error) error {
	if e, ok := errors.AsType[*httpanswer.Error](err); ok {
		return &problem.Error{Code: problem.UpstreamInvalidAnswer,
			Detail: "The upstream's answer cannot be understood. The call was made.", Err: e}
	}
	return err
}

// guardedBody is an answer's body as far as it shows no token: Read fails where
// one begins. What may turn out to be the beginning of one is held back until the
// bytes that come next, or the end, tell.
//
// Like any body it is read by one goroutine and may be closed by another, also
// after a Read that panicked.
type guardedBody struct {
	io.ReadCloser

	echo    *echo
	trailer func() http.Header // there once the body has been read

	heldBack [echoLength - 1]byte
	held     int    // of heldBack
	ready    []byte // searched, for the next Read
	err      error  // once ready has been read
	small    []byte // where a Read's own buffer has no room to search in
}

// Shows reports whether text shows the token: for who decodes what the body held in
// base64, say, and passes that on.
func (b *guardedBody) Shows(text []byte) bool { return b.echo.in(text) }

// smallRead is the least that is read at once.
const smallRead = 512

// Read implements [io.Reader]. An echo of the token is a [*problem.Error]; other
// errors are the answer's own.
func (b *guardedBody) Read(p []byte) (int, error) {
	switch {
	case len(p) == 0:
		return 0, nil
	case len(b.ready) == 0 && b.err == nil && len(p) >= smallRead:
		return len(b.read(p)), b.err
	case len(b.ready) == 0 && b.err == nil:
		if b.small == nil {
			b.small = make([]byte, smallRead)
		}
		b.ready = b.read(b.small)
	}
	n := copy(p, b.ready)
	if b.ready = b.ready[n:]; len(b.ready) > 0 {
		return n, nil
	}
	return n, b.err
}

// read reads into buf until something may go out, and returns that.
func (b *guardedBody) read(buf []byte) []byte {
	for {
		text, n := b.next(buf)
		if len(text) > 0 || n == 0 || b.err != nil {
			return text
		}
	}
}

// next reads once. It returns what may go out, and how much was read.
func (b *guardedBody) next(buf []byte) ([]byte, int) {
	before := copy(buf, b.heldBack[:b.held])
	n, err := b.ReadCloser.Read(buf[before:])
	text := buf[:before+n]
	if b.echo.in(text) {
		b.err = errEchoed("and is broken off before it")
		return nil, n
	}
	switch {
	case err == nil:
		b.held = b.echo.begins(text)
		copy(b.heldBack[:], text[len(text)-b.held:])
		text = text[:len(text)-b.held]
	case errors.Is(err, io.EOF) && b.echo.inHeader(b.trailer()):
		b.err = errEchoed("after its body")
	default: // nothing comes after it that could make an echo of it
		b.err = invalid(err)
	}
	return text, n
}
