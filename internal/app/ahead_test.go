//go:debug x509usefallbackroots=1

package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"omr-relay/internal/config"
	"omr-relay/internal/problem"
	"omr-relay/internal/sandbox"
)

// TestMain has crypto/x509 trust the certificate that all servers of httptest
// have, on every system.
func TestMain(m *testing.M) {
	srv := httptest.NewTLSServer(nil)
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	x509.SetFallbackRoots(roots)
	srv.Close()
	os.Exit(m.Run())
}

// numberKey is where requests carry the number of their connection.
type numberKey struct{}

// serveOn starts a server with HTTP of that major version over TLS, whose
// requests know on which connection they came, counted from 1. It lets one
// connection through the handshake and reports it; others have to wait until
// the test is over, so that a request that comes early cannot overtake it.
func serveOn(t *testing.T, major int, reached chan<- struct{}, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	var accepted, greeted atomic.Int64
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = major == 2
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that the end cut short
	srv.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, numberKey{}, accepted.Add(1))
	}
	srv.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if greeted.Add(1) == 1 {
			reached <- struct{}{}
		} else {
			<-t.Context().Done()
		}
		return nil, nil //nolint:nilnil // the server's own
	}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Secrets Manager does not answer before the upstream has seen a connection,
// which the mint and the first call then use.
func TestPrefetchConnectsWhileTheSecretIsRead(t *testing.T) {
	for major, name := range map[int]string{1: "HTTP/1.1", 2: "HTTP/2"} {
		t.Run(name, func(t *testing.T) {
			sb := sandbox.New()
			reached := make(chan struct{}, 1)
			calls := make(chan string, 16)
			up := serveOn(t, major, reached, func(w http.ResponseWriter, r *http.Request) {
				calls <- fmt.Sprint(r.Method, " ", r.URL.Path, " on ", r.Context().Value(numberKey{}))
				sb.Upstream().ServeHTTP(w, r)
			})
			secrets := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				select {
				case <-reached:
					sb.Secrets.ServeHTTP(w, r)
				case <-time.After(5 * time.Second):
				}
			}))
			t.Cleanup(secrets.Close)
			awsConfig := sb.AWSConfig()
			awsConfig.BaseEndpoint = aws.String(secrets.URL)
			relay := New(config.Config{
				SecretID: sandbox.DefaultSecretID, WarmupInterval: time.Minute,
				BaseURL: parse(t, up.URL), TokenURL: parse(t, up.URL+sandbox.TokenPath),
			}, Options{AWS: awsConfig})
			expect := func(want string) {
				t.Helper()
				if len(calls) != 1 {
					t.Errorf("the upstream got %d calls", len(calls))
				} else if got := <-calls; got != want {
					t.Errorf("the upstream got %q, want %q", got, want)
				}
			}

			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := relay.Prefetch(ctx); err != nil {
				t.Fatal(err)
			}
			expect("POST " + sandbox.TokenPath + " on 1")
			if out, err := relay.Handler.Invoke(ctx, []byte(`{"warmup":true}`)); err != nil {
				t.Errorf("%s, %v", out, err)
			}
			expect("HEAD / on 1")
			if err := relay.Prefetch(ctx); err != nil || len(calls) != 0 {
				t.Errorf("once more: %v, %d calls", err, len(calls))
			}
			if out, err := relay.Handler.Invoke(ctx, []byte(`{"warmup":true}`)); err != nil {
				t.Errorf("%s, %v", out, err)
			}
			expect("HEAD / on 1")
		})
	}
}

// An upstream that takes connections and says nothing does not hold up a
// prefetch that fails elsewhere.
func TestPrefetchDoesNotWaitForTheConnection(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	sb, err := sandbox.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sb.Close() })
	sb.Secrets.Fail(sandbox.AccessDenied, 1)
	base := parse(t, "https://"+silent.Addr().String())
	relay := New(config.Config{SecretID: sandbox.DefaultSecretID, BaseURL: base, TokenURL: base.JoinPath(sandbox.TokenPath)},
		Options{AWS: sb.AWSConfig()})
	began := time.Now()
	err = relay.Prefetch(t.Context())
	if problem.From(err).Code != problem.CredentialsUnavailable {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 4*time.Second { // the handshake's limit is 5 s
		t.Errorf("took %v", took)
	}
}

// post makes a call that must be answered.
func post(t *testing.T, transport http.RoundTripper, to string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
}

// Each host gets one connection, and none a request.
func TestConnectAhead(t *testing.T) {
	reached := make(chan struct{}, 2)
	calls := make(chan string, 16)
	h := func(_ http.ResponseWriter, r *http.Request) {
		calls <- fmt.Sprint(r.Method, " on ", r.Context().Value(numberKey{}))
	}
	one, two := serveOn(t, 1, reached, h), serveOn(t, 2, reached, h)
	transport := newTransport()
	t.Cleanup(transport.CloseIdleConnections)
	connectAhead(transport, parse(t, one.URL+"/connect/token"), parse(t, one.URL), parse(t, two.URL))
	for range 2 {
		select {
		case <-reached:
		case <-time.After(10 * time.Second):
			t.Fatal("nobody connected")
		}
	}
	for _, srv := range []*httptest.Server{one, two} {
		post(t, transport, srv.URL)
		if got := <-calls; got != "POST on 1" {
			t.Errorf("got %s", got)
		}
	}
	if len(calls) != 0 {
		t.Errorf("the host got %s", <-calls)
	}
}

// Where there is nobody, nothing happens, and where a connection is kept
// already, nothing hangs.
func TestConnectAheadInVain(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	kept := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			<-r.Context().Done()
		}
	}))
	t.Cleanup(kept.Close)
	transport := newTransport()
	t.Cleanup(transport.CloseIdleConnections)
	for range 2 {
		connectAhead(transport, parse(t, gone.URL), parse(t, kept.URL))
		post(t, transport, kept.URL)
	}
}
