package handler_test

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"
	"time"

	"omr-relay/handler"
	"omr-relay/internal/app"
	"omr-relay/internal/config"
	"omr-relay/internal/sandbox"
)

// wired is the whole relay over the stand-ins.
type wired struct {
	*handler.Handler
	*sandbox.Sandbox
	out lines // log and metrics
}

// onSockets reaches the stand-ins over loopback.
func onSockets(t *testing.T) *wired {
	t.Helper()
	s, err := sandbox.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &wired{Sandbox: s}
	w.Handler = app.New(w.config(t, s.URL()), app.Options{AWS: s.AWSConfig(), Log: &w.out, Metrics: true}).Handler
	return w
}

// inBubble reaches them without sockets, for testing/synctest.
func inBubble(t *testing.T) *wired {
	t.Helper()
	w := &wired{Sandbox: sandbox.New()}
	w.Handler = app.New(w.config(t, "https://upstream.test"), w.inProcess(nil)).Handler
	return w
}

// behindSocket has its upstream at baseURL and the rest in process. Every
// token is the one given.
func behindSocket(t *testing.T, baseURL, token string) *wired {
	t.Helper()
	w := &wired{Sandbox: sandbox.New()}
	w.Token.Respond(func(rw http.ResponseWriter, _ *http.Request) bool {
		_, _ = rw.Write([]byte(`{"access_token":"` + token + `","expires_in":3600,"token_type":"Bearer"}`))
		return true
	})
	opts := w.inProcess(func(next http.RoundTripper) http.RoundTripper { return next })
	w.Handler = app.New(w.config(t, baseURL), opts).Handler
	return w
}

func (w *wired) config(t *testing.T, baseURL string) config.Config {
	t.Helper()
	base, err := url.Parse(baseURL)
	if err != nil {
		t.Fatal(err)
	}
	return config.Config{SecretID: sandbox.DefaultSecretID, BaseURL: base, TokenURL: base.JoinPath(sandbox.TokenPath)}
}

// inProcess puts the stand-ins in place of all three connections. upstream, if
// not nil, decides what becomes of the third.
func (w *wired) inProcess(upstream func(http.RoundTripper) http.RoundTripper) app.Options {
	cfg := w.AWSConfig()
	endpoint := "https://secrets.test"
	cfg.BaseEndpoint = &endpoint
	return app.Options{AWS: cfg, Log: &w.out, Metrics: true, Wrap: func(hop app.Hop, next http.RoundTripper) http.RoundTripper {
		switch {
		case hop == app.HopSecret:
			return sandbox.InProcess(w.Secrets)
		case hop == app.HopToken:
			return sandbox.InProcess(w.Token)
		case upstream != nil:
			return upstream(next)
		default:
			return connected(sandbox.InProcess(w.Aspose))
		}
	}}
}

// connected does what a real connection does besides: it reports that it took
// the call, and the target is read into a URL anew.
func connected(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.GotConn != nil {
			trace.GotConn(httptrace.GotConnInfo{})
		}
		arrived := r.Clone(r.Context())
		target, err := url.ParseRequestURI(r.URL.RequestURI())
		if err != nil {
			return nil, err
		}
		arrived.URL = r.URL.ResolveReference(target)
		return next.RoundTrip(arrived)
	})
}

// taking makes a stand-in take d over each answer.
func taking(d time.Duration) func(http.ResponseWriter, *http.Request) bool {
	return func(_ http.ResponseWriter, r *http.Request) bool { return !pass(r.Context(), d) }
}

// hanging answers nothing until its caller has left.
func hanging(_ http.ResponseWriter, r *http.Request) bool {
	<-r.Context().Done()
	return true
}

// answering answers in a stand-in's place.
func answering(status int, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
		return true
	}
}

// pass lets d of a bubble's time pass and reports whether ctx outlived it.
func pass(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// bearer is the token of a recorded request.
func bearer(r sandbox.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}
