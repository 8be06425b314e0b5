package faultmatrix

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// protocol is what a service speaks.
type protocol string

const (
	http1  protocol = "HTTP/1.1"
	https1 protocol = "HTTP/1.1 over TLS"
	http2  protocol = "HTTP/2"
)

// service is one of the relay's counterparts on a socket of its own. It
// answers as clean does until a fault is set.
type service struct {
	t        *testing.T
	protocol protocol
	clean    http.HandlerFunc
	server   *http.Server
	secure   *tls.Config
	ip       net.IP
	serving  sync.WaitGroup

	// elsewhere is where the service redirects to, babble what it says of what
	// it was sent.
	elsewhere string
	babble    string

	mu       sync.Mutex // guards what follows
	listener net.Listener
	fault    *fault
	requests int
	sent     []byte // the last answer of a fault
	parting  bool   // every answer ends its connection
	dead     bool   // a kept connection was found dead
	held     []net.Conn
}

// nextAddress numbers the loopback addresses that services get for themselves.
var nextAddress atomic.Uint32

// newService serves until the test ends. Alone on its address, a service can
// leave its port and find it free when it comes back.
func newService(t *testing.T, p protocol, alone bool, clean http.HandlerFunc) *service {
	t.Helper()
	s := &service{t: t, protocol: p, clean: clean, ip: net.IPv4(127, 0, 0, 1)}
	if alone {
		n := nextAddress.Add(1)
		s.ip = net.IPv4(127, 77, byte(n>>8), byte(n))
	}
	l, err := net.Listen("tcp", net.JoinHostPort(s.ip.String(), "0"))
	if err != nil { // not every system has more than one loopback address
		s.ip = net.IPv4(127, 0, 0, 1)
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	if p != http1 {
		s.secure = s.tlsConfig(time.Now().Add(time.Hour))
	}
	s.server = &http.Server{
		Handler:           s,
		TLSConfig:         s.secure,
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // of handshakes that fail on purpose
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, &connection{Conn: c})
		},
	}
	s.serve(l)
	t.Cleanup(s.close)
	return s
}

func (s *service) tlsConfig(notAfter time.Time) *tls.Config {
	certificate, err := certificates.certificate(s.ip, notAfter)
	if err != nil {
		s.t.Fatal(err)
	}
	protocols := []string{"http/1.1"}
	if s.protocol == http2 {
		protocols = []string{"h2"}
	}
	return &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: protocols, MinVersion: tls.VersionTLS12}
}

func (s *service) serve(l net.Listener) {
	s.mu.Lock()
	s.listener = l
	s.mu.Unlock()
	l = &faultyListener{Listener: l, service: s}
	s.serving.Go(func() {
		if s.secure != nil {
			_ = s.server.ServeTLS(l, "", "") // ends when l does
			return
		}
		_ = s.server.Serve(l)
	})
}

func (s *service) close() {
	_ = s.server.Close()
	s.mu.Lock()
	s.listener.Close()
	for _, c := range s.held {
		c.Close()
	}
	s.mu.Unlock()
	s.serving.Wait()
}

// url is the service's base URL.
func (s *service) url() string {
	scheme := "http"
	if s.secure != nil {
		scheme = "https"
	}
	return scheme + "://" + s.address()
}

func (s *service) address() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listener.Addr().String()
}

// fail sets a fault, heal ends it.
func (s *service) fail(f *fault) {
	s.mu.Lock()
	s.fault = f
	l := s.listener
	s.mu.Unlock()
	if f.refuses {
		l.Close()
	}
}

func (s *service) heal() {
	s.mu.Lock()
	refused := s.fault != nil && s.fault.refuses
	s.fault = nil
	s.mu.Unlock()
	if !refused {
		return
	}
	l, err := net.Listen("tcp", s.address())
	if err != nil {
		s.t.Fatal(err)
	}
	s.serve(l)
}

// part has every answer from now on end its connection, or no longer.
func (s *service) part(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parting = on
}

// taken returns how many requests arrived since it was last asked.
func (s *service) taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.requests
	s.requests = 0
	return n
}

// note keeps what a fault answers, lastAnswer returns it.
func (s *service) note(body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = body
}

func (s *service) lastAnswer() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent
}

// die notes that a kept connection was found dead, died tells.
func (s *service) die() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
}

func (s *service) died() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

// count is for what takes requests past ServeHTTP.
func (s *service) count() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
}

// hold keeps a connection open and silent until the test ends.
func (s *service) hold(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = append(s.held, c)
}

// ServeHTTP implements [http.Handler]. The request is read whole before it is
// answered, in whichever way.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the relay left
	}
	r.Body = io.NopCloser(newBody(body))
	conn, _ := r.Context().Value(connectionKey{}).(*connection)
	s.mu.Lock()
	s.requests++
	f := s.fault
	if s.parting {
		w.Header().Set("Connection", "close")
	}
	s.mu.Unlock()
	conn.served.Add(1)
	if f == nil || f.serve == nil {
		s.clean(w, r)
		return
	}
	f.serve(exchange{ResponseWriter: w, request: r, service: s, connection: conn})
}

// connection is what requests came on.
type connection struct {
	net.Conn

	served atomic.Int64
}

type connectionKey struct{}

// reset drops the connection with a TCP reset, whatever is still unsent.
func (c *connection) reset() { reset(c.Conn) }

func reset(c net.Conn) {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	if plain, ok := c.(*net.TCPConn); ok {
		_ = plain.SetLinger(0)
	}
	c.Close()
}

// exchange is one request and the ways to answer it.
type exchange struct {
	http.ResponseWriter

	request    *http.Request
	service    *service
	connection *connection
}

// faultyListener hands connections to a fault that wants them raw.
type faultyListener struct {
	net.Listener

	service *service
}

func (l *faultyListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, fmt.Errorf("accepting: %w", err)
		}
		l.service.mu.Lock()
		f := l.service.fault
		l.service.mu.Unlock()
		if f == nil || f.connect == nil {
			return c, nil
		}
		l.service.hold(c)
		l.service.serving.Go(func() { f.connect(l.service, c) })
	}
}
