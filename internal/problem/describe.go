package problem

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// Safe is an error whose text may be logged as it stands.
type Safe interface {
	error
	// SafeText is built of constant text, numbers and configured names only.
	SafeText() string
}

// Constant is an error whose text is a constant of ours, and may be logged.
type Constant string

// Error implements error.
func (c Constant) Error() string { return string(c) }

// SafeText implements [Safe].
func (c Constant) SafeText() string { return string(c) }

// Describe says in constant words what kind of failure err is. The text of an
// error from net/http or crypto/tls can quote bytes that the other side sent,
// and those may be a token, a secret or a form: so it is never passed on, and
// a kind that Describe does not know is named by its Go type.
func Describe(err error) string {
	if e, ok := errors.AsType[Safe](err); ok {
		return e.SafeText()
	}
	for _, known := range sentinels {
		if errors.Is(err, known.err) {
			return known.text
		}
	}
	if text, ok := describeTLS(err); ok {
		return text
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		if e.IsTimeout {
			return "name lookup timed out"
		}
		return "name lookup failed"
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return "timed out"
	}
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		return e.Error()
	}
	return fmt.Sprintf("failed (%T)", innermost(err))
}

var sentinels = []struct {
	err  error
	text string
}{
	{context.DeadlineExceeded, "timed out"},
	{os.ErrDeadlineExceeded, "timed out"},
	{context.Canceled, "cancelled"},
	{syscall.ECONNREFUSED, "connection refused"},
	{syscall.ECONNRESET, "connection reset"},
	{syscall.EPIPE, "connection closed while sending"},
	{net.ErrClosed, "connection closed"},
	{io.ErrUnexpectedEOF, "connection closed in the middle of the answer"},
	{io.EOF, "connection closed before the answer"},
}

func describeTLS(err error) (string, bool) {
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if e.Reason == x509.Expired {
			return "TLS certificate expired or not yet valid", true
		}
		return "TLS certificate invalid", true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "TLS certificate of an unknown authority", true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "TLS certificate of another host", true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "TLS handshake failed: the other side does not speak TLS", true
	}
	// How crypto/tls reports an alert that was received; an alert is a number,
	// and its text one of a table there.
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "remote error" {
		return "TLS alert from the other side: " + strings.TrimPrefix(e.Err.Error(), "tls: "), true
	}
	return "", false
}

func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
