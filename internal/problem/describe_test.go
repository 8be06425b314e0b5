package problem_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"omr-relay/internal/problem"
)

type safe struct{ text string }

func (e safe) Error() string    { return "private " + canary }
func (e safe) SafeText() string { return e.text }

func TestDescribe(t *testing.T) {
	wrapped := func(err error) error {
		return fmt.Errorf("%s: %w", canary, fmt.Errorf("%s: %w", canary, err))
	}
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"safe text", safe{"the endpoint answered 400"}, "the endpoint answered 400"},
		{"deadline", context.DeadlineExceeded, "timed out"},
		{"socket deadline", os.ErrDeadlineExceeded, "timed out"},
		{"cancel", context.Canceled, "cancelled"},
		{"refused", os.NewSyscallError("connect", syscall.ECONNREFUSED), "connection refused"},
		{"reset", os.NewSyscallError("read", syscall.ECONNRESET), "connection reset"},
		{"broken pipe", os.NewSyscallError("write", syscall.EPIPE), "connection closed while sending"},
		{"closed", net.ErrClosed, "connection closed"},
		{"cut off", io.ErrUnexpectedEOF, "connection closed in the middle of the answer"},
		{"no answer", io.EOF, "connection closed before the answer"},
		{"no such name", &net.DNSError{Err: canary, Name: canary, IsNotFound: true}, "name lookup failed"},
		{"slow lookup", &net.DNSError{Err: canary, Name: canary, IsTimeout: true}, "name lookup timed out"},
		{"other timeout", timeout{}, "timed out"},
		{"other system error", os.NewSyscallError("connect", syscall.EHOSTUNREACH), syscall.EHOSTUNREACH.Error()},
		{"certificate revoked or such", x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign, Detail: canary}, "TLS certificate invalid"},
		{"quoting", &quoting{canary}, "failed (*problem_test.quoting)"},
		{"plain text", errors.New(canary), "failed (*errors.errorString)"},
		{"two at once", errors.Join(errors.New(canary), context.Canceled), "cancelled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, err := range []error{tt.err, wrapped(tt.err)} {
				if got := problem.Describe(err); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			}
		})
	}
}

type timeout struct{}

func (timeout) Error() string   { return canary }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return false }

// The errors of net/http quote what a peer sends. Real ones, by a real socket.
func TestLesson12_PeersBytesAreNotRepeated(t *testing.T) {
	for name, answer := range map[string]string{
		"no HTTP":             canary + "\r\n\r\n",
		"odd protocol":        "HTTP/" + canary + " 200 OK\r\n\r\n",
		"odd status":          "HTTP/1.1 " + canary + "\r\n\r\n",
		"negative status":     "HTTP/1.1 -200 " + canary + "\r\n\r\n",
		"odd header":          "HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n",
		"odd length":          "HTTP/1.1 200 OK\r\nContent-Length: " + canary + "\r\n\r\n",
		"two lengths":         "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n" + canary,
		"odd encoding":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + canary + "\r\n\r\n",
		"odd chunk":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + canary + "\r\n",
		"odd trailer":         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n" + canary,
		"endless header":      "HTTP/1.1 200 OK\r\nX: " + strings.Repeat(canary, 4000) + "\r\n\r\n",
		"cut off in the body": "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + canary,
	} {
		t.Run(name, func(t *testing.T) {
			addr := serve(t, func(conn net.Conn) {
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = io.WriteString(conn, answer)
			})
			err := get(t, &http.Transport{MaxResponseHeaderBytes: 4 << 10}, "http://"+addr)
			if err == nil {
				t.Fatal("no error")
			}
			failure := &problem.Error{Code: problem.UpstreamUnreachable, Err: err}
			for _, text := range []string{problem.Describe(err), failure.Error(), fmt.Sprintf("%+v", failure)} {
				if text == "" || strings.Contains(strings.ToLower(text), strings.ToLower(canary)) {
					t.Errorf("got %q", text)
				}
			}
		})
	}
}
