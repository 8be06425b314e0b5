package problem_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"omr-relay/internal/problem"
)

// serve hands every connection to a loopback port to handle, and closes it
// after. It returns the address.
func serve(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			handle(conn)
			_ = conn.Close()
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

// get fetches target and returns what went wrong, in the body too.
func get(t *testing.T, transport *http.Transport, target string) error {
	t.Helper()
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func wantDescription(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if got := problem.Describe(err); got != want {
		t.Errorf("got %q, want %q (of %v)", got, want, err)
	}
}

func TestDescribeConnections(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		_ = l.Close()
		wantDescription(t, get(t, &http.Transport{}, "http://"+addr), "connection refused")
	})
	t.Run("reset", func(t *testing.T) {
		addr := serve(t, func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 1))
			_ = conn.(*net.TCPConn).SetLinger(0)
		})
		wantDescription(t, get(t, &http.Transport{}, "http://"+addr), "connection reset")
	})
	t.Run("closed before the answer", func(t *testing.T) {
		addr := serve(t, func(conn net.Conn) { _, _ = conn.Read(make([]byte, 4096)) })
		wantDescription(t, get(t, &http.Transport{}, "http://"+addr), "connection closed before the answer")
	})
	t.Run("closed in the answer", func(t *testing.T) {
		addr := serve(t, func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
		})
		wantDescription(t, get(t, &http.Transport{}, "http://"+addr), "connection closed in the middle of the answer")
	})
	t.Run("silent", func(t *testing.T) {
		addr := serve(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
		transport := &http.Transport{ResponseHeaderTimeout: time.Millisecond}
		wantDescription(t, get(t, transport, "http://"+addr), "timed out")
	})
}

func TestDescribeTLS(t *testing.T) {
	good := newAuthority(t)
	now := time.Now()
	for _, tt := range []struct {
		name   string
		server *tls.Config
		roots  *x509.CertPool
		want   string
	}{
		{"good", good.server("127.0.0.1", now.Add(time.Hour)), good.pool, ""},
		{"expired", good.server("127.0.0.1", now.Add(-time.Hour)), good.pool, "TLS certificate expired or not yet valid"},
		{"unknown authority", newAuthority(t).server("127.0.0.1", now.Add(time.Hour)), good.pool, "TLS certificate of an unknown authority"},
		{"wrong host", good.server("127.0.0.9", now.Add(time.Hour)), good.pool, "TLS certificate of another host"},
		{"no TLS", nil, good.pool, "TLS handshake failed: the other side does not speak TLS"},
		{"refused by the server", func() *tls.Config {
			cfg := good.server("127.0.0.1", now.Add(time.Hour))
			cfg.ClientAuth = tls.RequireAnyClientCert
			return cfg
		}(), good.pool, "TLS alert from the other side: certificate required"},
		{"no common version", func() *tls.Config {
			cfg := good.server("127.0.0.1", now.Add(time.Hour))
			cfg.MaxVersion = tls.VersionTLS12
			return cfg
		}(), good.pool, "TLS alert from the other side: protocol version not supported"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := serve(t, func(conn net.Conn) {
				if tt.server != nil {
					conn = tls.Server(conn, tt.server)
				}
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
				// What the client still sends is read, so that closing does
				// not reset what was sent to it.
				if tcp, ok := conn.(*net.TCPConn); ok {
					_ = tcp.CloseWrite()
					_, _ = io.Copy(io.Discard, tcp)
				}
			})
			err := get(t, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: tt.roots, MinVersion: tls.VersionTLS13}}, "https://"+addr)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantDescription(t, err, tt.want)
		})
	}
}

// authority is a certificate authority of this test's own.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, cert: cert, key: key, pool: x509.NewCertPool()}
	a.pool.AddCert(cert)
	return a
}

// server returns the configuration of a server at ip with a certificate that
// ends at the given time.
func (a *authority) server(ip string, ends time.Time) *tls.Config {
	a.t.Helper()
	key := newKey(a.t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: ends,
		IPAddresses: []net.IP{net.ParseIP(ip)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
