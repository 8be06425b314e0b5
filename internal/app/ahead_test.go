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
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"omr-relay/internal/budget"
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
			expect := func(want ...string) {
				t.Helper()
				var got []string
				for len(calls) > 0 {
					got = append(got, <-calls)
				}
				if !slices.Equal(got, want) {
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
	if took := time.Since(began); took > budget.TLSHandshake/2 { // the handshake's limit is longer
		t.Errorf("took %v", took)
	}
}

// A connection that was begun ahead is the first request's, and no request is sent
// for its sake.
func TestConnectionAhead(t *testing.T) {
	for major := range 2 {
		calls := make(chan string, 16)
		reached := make(chan struct{}, 1)
		srv := serveOn(t, major+1, reached, func(_ http.ResponseWriter, r *http.Request) {
			calls <- fmt.Sprint(r.Method, " on ", r.Context().Value(numberKey{}), " ", r.ProtoMajor)
		})
		secure := newTLSDialer()
		transport := newTransport(secure)
		t.Cleanup(transport.CloseIdleConnections)
		end := secure.ahead(t.Context(), parse(t, srv.URL+"/connect/token"))
		<-reached
		post(t, transport, srv.URL)
		end()
		post(t, transport, srv.URL) // on the same, which end has left alone
		for range 2 {
			if got, want := <-calls, fmt.Sprint("POST on 1 ", major+1); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	}
}

// Where there is nobody, where somebody says nothing, and where nobody comes for
// the connection, nothing hangs and nothing is left.
func TestConnectionAheadInVain(t *testing.T) {
	gone := httptest.NewTLSServer(nil)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	reached := make(chan struct{}, 1)
	alone := serveOn(t, 2, reached, nil)
	gone.Close() // after the others are there: none of them has its port
	for _, to := range []string{gone.URL, "https://" + silent.Addr().String(), "http://" + silent.Addr().String(), alone.URL} {
		secure := newTLSDialer()
		end := secure.ahead(t.Context(), parse(t, to))
		if to == alone.URL {
			<-reached
		}
		end()
		if secure.take(parse(t, to).Host) != nil {
			t.Errorf("%s: a connection is left", to)
		}
	}
	// A request that finds it failed makes one of its own.
	secure := newTLSDialer()
	transport := newTransport(secure)
	t.Cleanup(transport.CloseIdleConnections)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(srv.Close)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	defer secure.ahead(canceled, parse(t, srv.URL))()
	post(t, transport, srv.URL)
}
