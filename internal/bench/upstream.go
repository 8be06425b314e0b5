package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"omr-relay/internal/sandbox"
)

// protocol is how the programs speak to secrets, tokens and upstream.
type protocol string

const (
	plain protocol = ""
	tls11 protocol = "TLS, HTTP/1.1"
	tls2  protocol = "TLS, HTTP/2"
)

// upstream stands in for all that a program calls: the sandbox's Secrets
// Manager and token service, which refuse what the real ones would, and for the
// relayed calls a raw responder that does next to nothing while they are timed.
type upstream struct {
	protocol   protocol
	far        time.Duration // that a handshake takes longer, and the secret
	url        string        // of tokens and upstream: one host, as in production
	secretsURL string

	box      *sandbox.Sandbox
	tokens   http.RoundTripper
	closers  []func() error
	mu       sync.Mutex // guards what follows
	reply    reply
	received arrival
	buffer   []byte
}

// reply is what the upstream answers to a relayed call.
type reply struct {
	contentType string
	body        []byte
	wire        []byte // status, headers and body, for raw connections
}

func newReply(contentType string, body []byte) reply {
	wire := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", contentType, len(body))
	return reply{contentType: contentType, body: body, wire: append(wire, body...)}
}

// arrival is a relayed call as it came.
type arrival struct {
	calls          int // since the last expect
	method, target string
	authorization  []string
	body           []byte // valid until the next call
}

func newUpstream(p protocol, trust *authority, far time.Duration) (*upstream, error) {
	u := &upstream{protocol: p, far: far, box: sandbox.New(), buffer: make([]byte, maxAnswer)}
	u.tokens = sandbox.InProcess(u.box.Token)
	scheme := "http"
	if p != plain {
		scheme = "https"
	}
	calls, err := u.serve(trust, nil)
	if err != nil {
		return nil, err
	}
	secrets, err := u.serve(trust, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-time.After(far)
		u.box.Secrets.ServeHTTP(w, r)
	}))
	if err != nil {
		return nil, errors.Join(err, u.close())
	}
	u.url, u.secretsURL = scheme+"://"+calls, scheme+"://"+secrets
	return u, nil
}

// serve listens for calls and returns the address. Secrets Manager is h on
// net/http's server; without h it is what is timed, relayed calls on raw
// connections.
func (u *upstream) serve(trust *authority, h http.Handler) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listening on loopback: %w", err)
	}
	if h == nil {
		u.relayed(l, trust)
		return l.Addr().String(), nil
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	u.closers = append(u.closers, server.Close)
	if u.protocol == plain {
		go func() { _ = server.Serve(l) }()
	} else {
		server.TLSConfig = trust.server("h2", "http/1.1")
		go func() { _ = server.ServeTLS(l, "", "") }()
	}
	return l.Addr().String(), nil
}

// relayed serves relayed calls from l. A caller that does not speak HTTP/2 is
// served by HTTP/1.1 beside others that do.
func (u *upstream) relayed(l net.Listener, trust *authority) {
	switch u.protocol {
	case plain:
		u.accept(l, u.converse)
	case tls11:
		u.accept(tls.NewListener(l, trust.server("http/1.1")), u.converse)
	case tls2:
		u.accept(tls.NewListener(l, trust.server("h2", "http/1.1")), func(conn net.Conn) {
			<-time.After(u.far)
			c, ok := conn.(*tls.Conn)
			if ok && c.Handshake() == nil && c.ConnectionState().NegotiatedProtocol == "h2" { //nolint:noctx // ends with the connection
				u.frame(conn)
			} else {
				u.converse(conn)
			}
		})
	}
}

func (u *upstream) close() error {
	var errs []error
	for _, c := range u.closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// mints is how many tokens have been issued.
func (u *upstream) mints() int { return u.box.Token.Mints() }

// expect sets the reply to the calls that come, and forgets those that came.
func (u *upstream) expect(r reply) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.reply, u.received = r, arrival{}
}

// verify reports in what the call that came since expect differs from the one
// that should have.
func (u *upstream) verify(c call) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	got := u.received
	if got.calls != 1 {
		return fmt.Errorf("%d calls arrived upstream, want 1", got.calls)
	}
	if got.method != c.method || got.target != c.target {
		return fmt.Errorf("the call arrived as %s %s, want %s %s", got.method, got.target, c.method, c.target)
	}
	if !bytes.Equal(got.body, c.body) {
		return fmt.Errorf("the body did not arrive as it was sent: %d bytes, want %d", len(got.body), len(c.body))
	}
	if len(got.authorization) != 1 || len(got.authorization[0]) < 8 || !u.box.Token.Valid(got.authorization[0][7:]) {
		return errors.New("the call did not carry a token that was issued")
	}
	return nil
}
