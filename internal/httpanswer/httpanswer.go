// Package httpanswer holds what the relay asks of every answer, on each of its
// hops: that it is final, and that its body is not coded, or can be decoded.
//
//	httpanswer.go  asks for such an answer, and takes no other
//	decode.go      a coded body as it was before it was coded
//	retryafter.go  how long an answer asks to be let alone
package httpanswer

import (
	"fmt"
	"net/http"
	"net/textproto"
	"sync/atomic"
)

// Error is why an answer is not taken. Its text is constant but for numbers.
type Error struct {
	reason string
	err    error
}

// Error implements error.
func (e *Error) Error() string { return e.reason }

// SafeText implements [problem.Safe].
func (e *Error) SafeText() string { return e.reason }

// Unwrap returns the cause, whose text may quote the answer.
func (e *Error) Unwrap() error { return e.err }

// RetryableError tells the AWS SDK that the same request would be answered in the
// same way.
func (*Error) RetryableError() bool { return false }

// AskPlain has a request ask for an answer that is not coded, and for all of it:
// the caller's own wishes go.
func AskPlain(header http.Header) {
	header["Accept-Encoding"] = []string{"identity"}
	delete(header, "Range")
}

// maxInformational is how many informational answers may come before the final
// one. With a hook for them net/http sets no limit of its own.
const maxInformational = 16

// Watch sees to it that one request gets a final answer, or an error at once.
type Watch struct {
	informational atomic.Int32
	failed        atomic.Pointer[Error]
}

// Got1xx is the hook of that name of the request's [httptrace.ClientTrace].
// Informational answers are passed over, as HTTP has it (RFC 9110 §15.2), up to a
// limit. With 101 the call ends, on HTTP/2 too, where it must not come (RFC 9113
// §8.6) and net/http would wait for what comes after it.
func (w *Watch) Got1xx(status int, _ textproto.MIMEHeader) error {
	if n := w.informational.Add(1); status != http.StatusSwitchingProtocols && n <= maxInformational {
		return nil
	}
	err := notFinal(status)
	w.failed.Store(err)
	return err
}

// Final takes what RoundTrip returned. An answer that is not final is closed and
// becomes an [*Error]: what follows 101 is no HTTP, net/http hands over the
// connection itself, and no deadline ends a read on it.
func (w *Watch) Final(resp *http.Response, err error) (*http.Response, error) {
	if failed := w.failed.Load(); failed != nil && err != nil {
		return nil, failed // net/http wraps it in what cannot be unwrapped
	}
	if err == nil && resp.StatusCode < http.StatusOK {
		_ = resp.Body.Close()
		return nil, notFinal(resp.StatusCode)
	}
	return resp, err
}

func notFinal(status int) *Error {
	return &Error{reason: fmt.Sprintf("the answer is %d where a final one was expected", status)}
}
