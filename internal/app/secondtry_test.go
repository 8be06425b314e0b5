package app

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/sandbox"
	"omr-relay/internal/sensitive"
	"omr-relay/internal/token"
	"omr-relay/secrets"
)

func gzipped(t *testing.T, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(text)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// request is a call as package handler makes it.
func request(ctx context.Context, t *testing.T, method, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodGet {
		req.Body, req.GetBody, req.ContentLength = nil, nil, 0
	}
	if method == http.MethodPut || method == http.MethodDelete {
		req.Header["Idempotency-Key"] = []string{}
	}
	return req
}

// TestAnswerThatCameIsNotAskedForAgain, however little net/http makes of it: on a
// kept connection, GET, PUT and DELETE reach the upstream once.
func TestAnswerThatCameIsNotAskedForAgain(t *testing.T) {
	for name, answer := range map[string]string{
		"not HTTP":         "HELLO\r\n\r\n",
		"malformed header": "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"malformed length": "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"header too large": "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 70<<10) + "\r\n\r\n",
		"cut off":          "HTTP/1.1 200 OK\r\nContent-Le",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			t.Run(name+" "+method, func(t *testing.T) {
				var calls atomic.Int64
				url := raw(t, func(n int, conn net.Conn) bool {
					calls.Add(1)
					if n == 1 {
						_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
						return true
					}
					_, _ = io.WriteString(conn, answer)
					return false
				})
				transport := newTransport(newTLSDialer())
				t.Cleanup(transport.CloseIdleConnections)
				rt := secondTry{transport}
				post(t, rt, url)
				resp, err := rt.RoundTrip(request(t.Context(), t, method, url))
				if err == nil {
					resp.Body.Close()
					t.Error("an answer")
				}
				if n := calls.Load(); n != 2 {
					t.Errorf("%d requests, want 2", n)
				}
			})
		}
	}
}

// raw serves connections by hand: answer is told the request's number on its
// connection, and returns whether that goes on.
func raw(t *testing.T, answer func(n int, conn net.Conn) bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for n := 1; ; n++ {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					if !answer(n, conn) {
						return
					}
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// The same over HTTP/2: a stream that is reset, or an answer that is too large,
// is an answer.
func TestAnswerThatCameIsNotAskedForAgainOnHTTP2(t *testing.T) {
	begun := make(chan struct{}, 1)
	for name, answer := range map[string]http.HandlerFunc{
		"reset":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"header": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 12<<20)) },
		"begun": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			<-begun
			conn, _ := r.Context().Value(connKey{}).(net.Conn)
			conn.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int64
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if calls.Add(1) > 1 {
					answer(w, r)
				}
			}))
			srv.EnableHTTP2 = true
			srv.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) }
			srv.Config.ErrorLog = log.New(io.Discard, "", 0)
			srv.StartTLS()
			t.Cleanup(srv.Close)
			transport := newTransport(newTLSDialer())
			t.Cleanup(transport.CloseIdleConnections)
			rt := secondTry{transport}
			post(t, rt, srv.URL)
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				Got1xxResponse: func(int, textproto.MIMEHeader) error { begun <- struct{}{}; return nil },
			})
			resp, err := rt.RoundTrip(request(ctx, t, http.MethodGet, srv.URL))
			if err == nil {
				resp.Body.Close()
				t.Error("an answer")
			}
			if n := calls.Load(); n != 2 {
				t.Errorf("%d requests, want 2", n)
			}
		})
	}
}

// pipes is a network without sockets, for a bubble.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	p <- far
	return near, nil
}

type connKey struct{}

// onPipes serves one protocol and returns a transport that speaks it.
func onPipes(t *testing.T, major int, h http.HandlerFunc) *http.Transport {
	t.Helper()
	network := make(pipes)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(major == 1)
	protocols.SetUnencryptedHTTP2(major == 2)
	srv := &http.Server{Handler: h, Protocols: protocols, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Hour,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) }}
	go func() { _ = srv.Serve(network) }()
	transport := newTransport(newTLSDialer())
	transport.DialContext, transport.Protocols, transport.Proxy = network.dial, protocols, nil
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		close(network)
		_ = srv.Close()
	})
	return transport
}

// fixed is a source with one pair.
type fixed struct{}

func (fixed) Get(context.Context) (secrets.Credentials, error) {
	return secrets.Credentials{ClientID: sensitive.New(sandbox.DefaultClientID), ClientSecret: sensitive.New(sandbox.DefaultClientSecret)}, nil
}

// TestLesson03_SecondTryLeavesAnExpiredTokenOut: the connection dies unanswered
// when the token has expired. The second try goes without it, and each try is in
// the record.
func TestLesson03_SecondTryLeavesAnExpiredTokenOut(t *testing.T) {
	for _, major := range []int{1, 2} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPost} {
			t.Run(fmt.Sprintf("HTTP %d %s", major, method), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sb := sandbox.New()
					sb.Token.SetLifetime(10 * time.Second)
					calls := 0
					transport := onPipes(t, major, func(w http.ResponseWriter, r *http.Request) {
						calls++
						if calls == 2 {
							time.Sleep(20 * time.Second)
							conn, _ := r.Context().Value(connKey{}).(net.Conn)
							conn.Close()
							return
						}
						sent := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
						switch {
						case sent == "":
							w.WriteHeader(http.StatusUnauthorized)
						case !sb.Token.Valid(sent):
							t.Errorf("request %d has an expired token", calls)
						}
					})
					cache := token.NewCache(token.Config{Source: fixed{}, Endpoint: parse(t, "http://token.test"+sandbox.TokenPath), Transport: sandbox.InProcess(sb.Upstream())})
					rt := &token.Transport{Base: secondTry{transport}, Cache: cache}
					call := func(method string) (*callrecord.Record, error) {
						ctx, record := callrecord.With(t.Context())
						resp, err := rt.RoundTrip(request(ctx, t, method, "http://upstream.test/"))
						if err == nil {
							resp.Body.Close()
						}
						return record, err
					}
					if _, err := call(http.MethodGet); err != nil {
						t.Fatal(err)
					}
					record, err := call(method)
					synctest.Wait()
					if made := calls - 1; record.UpstreamCalls != made {
						t.Errorf("%d requests, %d in the record", made, record.UpstreamCalls)
					}
					if method == http.MethodPost {
						if err == nil || calls != 2 {
							t.Errorf("a POST was sent again: %d calls, %v", calls, err)
						}
						return
					}
					// The one that was lost, the one without a token, the repaired one.
					if err != nil || calls != 4 || record.Token != callrecord.Repair {
						t.Errorf("%d calls, %s, %v", calls, record.Token, err)
					}
				})
			})
		}
	}
}

// TestLostConnection goes through the errors that end a call without an answer.
func TestLostConnection(t *testing.T) {
	for _, lost := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, &net.OpError{Op: "read", Err: io.EOF}, fmt.Errorf("x: %w", &net.OpError{Op: "write", Err: io.EOF}),
		errors.New("http2: client connection lost"), errors.New("http2: server sent GOAWAY and closed the connection; LastStreamID=1"),
	} {
		if !lostConnection(lost) {
			t.Errorf("%v is no lost connection", lost)
		}
	}
	for _, other := range []error{
		context.Canceled, context.DeadlineExceeded, &net.OpError{Op: "dial", Err: io.EOF}, &net.OpError{Op: "remote error", Err: io.EOF},
		errors.New("stream error: stream ID 3; PROTOCOL_ERROR"), errors.New("malformed HTTP response"),
	} {
		if lostConnection(other) {
			t.Errorf("%v is a lost connection", other)
		}
	}
}

// post sends a request and closes its answer.
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
