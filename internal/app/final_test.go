package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"omr-relay/internal/config"
	"omr-relay/internal/sandbox"
)

// informing answers with an informational status first, and for the rest as next
// does. After 101 nothing comes any more, and the connection stays open.
type informing struct {
	next   http.Handler
	status atomic.Int64 // 0 is none
	calls  atomic.Int64
}

func (i *informing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.calls.Add(1)
	switch status := int(i.status.Load()); {
	case status == http.StatusSwitchingProtocols && r.ProtoMajor == 1:
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn) // until the relay leaves
	case status == http.StatusSwitchingProtocols:
		w.WriteHeader(status)
		<-r.Context().Done()
	case status != 0:
		w.WriteHeader(status)
		i.next.ServeHTTP(w, r)
	default:
		i.next.ServeHTTP(w, r)
	}
}

// hops is a relay whose three services are servers of that protocol.
type hops struct {
	sb       *sandbox.Sandbox
	services map[Hop]*informing
	relay    *Relay
}

func newHops(t *testing.T, major int) *hops {
	t.Helper()
	sb := sandbox.New()
	h := &hops{sb: sb, services: map[Hop]*informing{}}
	serve := func(hop Hop, next http.Handler) string {
		h.services[hop] = &informing{next: next}
		srv := httptest.NewUnstartedServer(h.services[hop])
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		srv.EnableHTTP2 = major == 2
		srv.StartTLS()
		t.Cleanup(srv.Close)
		return srv.URL
	}
	awsConfig := sb.AWSConfig()
	awsConfig.BaseEndpoint = aws.String(serve(HopSecret, sb.Secrets))
	h.relay = New(config.Config{
		SecretID: sandbox.DefaultSecretID, TokenURL: parse(t, serve(HopToken, sb.Token)+sandbox.TokenPath),
		BaseURL: parse(t, serve(HopUpstream, sb.Upstream())), WarmupInterval: time.Minute,
	}, Options{AWS: awsConfig})
	return h
}

// called makes a call, or a warm-up, and returns what came of it.
func called(t *testing.T, relay *Relay, event string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := relay.Handler.Invoke(ctx, []byte(event))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		StatusCode int
		Body       string
		Warm       bool
	}
	var document struct{ Code string }
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal([]byte(answer.Body), &document)
	return fmt.Sprintf("%d %t %s", answer.StatusCode, answer.Warm, document.Code)
}

const getEvent = `{"httpMethod":"GET","resource":"/{proxy+}","path":"/v5.0/omr/RecognizeTemplate/GetRecognizeTemplate",
	"pathParameters":{"proxy":"v5.0/omr/RecognizeTemplate/GetRecognizeTemplate"},
	"queryStringParameters":{"id":"77"},"requestContext":{"stage":"prod"}}`

// TestAnyInformationalAnswerOnAnyHop: they are passed over, as HTTP has it, but
// for 101, after which there is no HTTP: that is an error at once, after one
// request, and not when the time is up.
func TestAnyInformationalAnswerOnAnyHop(t *testing.T) {
	failure := map[Hop]string{
		HopSecret: "503 false credentials_unavailable", HopToken: "503 false token_unavailable", HopUpstream: "502 false upstream_invalid_answer",
	}
	for _, major := range []int{1, 2} {
		for _, hop := range []Hop{HopSecret, HopToken, HopUpstream} {
			t.Run(fmt.Sprintf("HTTP %d %s", major, hop), func(t *testing.T) {
				check := func(h *hops, status int, want string) {
					t.Helper()
					service := h.services[hop]
					service.status.Store(int64(status))
					service.calls.Store(0)
					began := time.Now()
					if got := called(t, h.relay, getEvent); got != want {
						t.Errorf("%d: %s, want %s", status, got, want)
					}
					if took := time.Since(began); took > 4*time.Second {
						t.Errorf("%d: took %v", status, took)
					}
					if n := service.calls.Load(); n != 1 {
						t.Errorf("%d: %d requests", status, n)
					}
				}
				h := newHops(t, major)
				for status := 100; status < 200; status++ {
					if status == http.StatusSwitchingProtocols {
						check(newHops(t, major), status, failure[hop])
						continue
					}
					if hop != HopUpstream {
						h.sb.Token.RevokeAll() // so that another one is needed
					}
					check(h, status, "200 false ")
				}
			})
		}
	}
}

// Init and a warm-up end as soon.
func TestSwitchingProtocolsHangsNothing(t *testing.T) {
	for _, hop := range []Hop{HopSecret, HopToken, HopUpstream} {
		h := newHops(t, 1)
		h.services[hop].status.Store(http.StatusSwitchingProtocols)
		began := time.Now()
		if err := h.relay.Prefetch(t.Context()); (err == nil) != (hop == HopUpstream) {
			t.Errorf("%s: prefetched: %v", hop, err)
		}
		if got := called(t, h.relay, `{"warmup":true}`); got != "0 false " {
			t.Errorf("%s: warm-up: %s", hop, got)
		}
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("%s: took %v", hop, took)
		}
	}
}

// TestLesson19_SecretThatComesCoded is asked for plain, and understood all the same.
func TestLesson19_SecretThatComesCoded(t *testing.T) {
	sb := sandbox.New()
	asked := make(chan []string, 8)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Values("Accept-Encoding")
		rec := httptest.NewRecorder()
		sb.Secrets.ServeHTTP(rec, r)
		maps.Copy(w.Header(), rec.Header())
		w.Header().Del("Content-Length")
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(rec.Code)
		_, _ = w.Write(gzipped(t, rec.Body.Bytes()))
	}))
	t.Cleanup(srv.Close)
	awsConfig := sb.AWSConfig()
	awsConfig.BaseEndpoint = aws.String(srv.URL)
	up := httptest.NewServer(sb.Upstream())
	t.Cleanup(up.Close)
	relay := New(config.Config{SecretID: sandbox.DefaultSecretID, TokenURL: parse(t, up.URL+sandbox.TokenPath), BaseURL: parse(t, up.URL)}, Options{AWS: awsConfig})
	if err := relay.Prefetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-asked; len(got) != 1 || got[0] != "identity" {
		t.Errorf("asked for %q", got)
	}
}
