package token_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/problem"
	"omr-relay/internal/sandbox"
	"omr-relay/internal/token"
)

// onSockets returns a sandbox on loopback and a cache in front of it.
func onSockets(t *testing.T, v *vault, transport http.RoundTripper) (*sandbox.Sandbox, *token.Cache) {
	t.Helper()
	sb, err := sandbox.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sb.Close() })
	endpoint, err := url.Parse(sb.TokenURL())
	if err != nil {
		t.Fatal(err)
	}
	return sb, token.NewCache(token.Config{Source: v, Endpoint: endpoint, Transport: transport})
}

// newTransport returns a transport whose connections end with the test.
func newTransport(t *testing.T) *http.Transport {
	t.Helper()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func TestLesson05_SecretArrivesAsItIs(t *testing.T) {
	for _, secret := range []string{
		"a+b", "a&b=c", "100%", "%2B", "two words", "ünïcode·秘密", "a;b", `q"uo\te`, "tab\tnewline\n", "=", "+ & % ü",
	} {
		t.Run(secret, func(t *testing.T) {
			v := &vault{}
			v.put("v1", "id+"+secret, secret)
			sb, cache := onSockets(t, v, newTransport(t))
			sb.Rotate("id+"+secret, secret)
			sb.Token.Record(1)
			if _, _, err := cache.Token(t.Context()); err != nil {
				t.Fatal(err)
			}
			form, err := url.ParseQuery(string(sb.Token.Requests()[0].Body))
			if err != nil {
				t.Fatal(err)
			}
			want(t, "client_id", form.Get("client_id"), "id+"+secret)
			want(t, "client_secret", form.Get("client_secret"), secret)
		})
	}
}

func TestTokenRequestOnTheWire(t *testing.T) {
	v := &vault{}
	v.put("v1", sandbox.DefaultClientID, sandbox.DefaultClientSecret)
	sb, cache := onSockets(t, v, nil) // http.DefaultTransport
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	sb.Token.Record(1)
	if _, _, err := cache.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := sb.Token.Requests()[0]
	want(t, "method", got.Method, http.MethodPost)
	want(t, "target", got.Target, sandbox.TokenPath)
	want(t, "content type", got.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
	want(t, "Accept", got.Header.Get("Accept"), "application/json")
	want(t, "Authorization fields", len(got.Header.Values("Authorization")), 0)
	want(t, "body", string(got.Body), "client_id=sandbox-client&client_secret=sandbox%2Bsecret%26100%25%3Dfake%2F&grant_type=client_credentials")
	form, _ := url.ParseQuery(string(got.Body))
	want(t, "fields", slices.Equal(slices.Sorted(maps.Keys(form)), []string{"client_id", "client_secret", "grant_type"}), true)

	// And the token on a call, by the default transport too.
	sb.Aspose.Record(1)
	rt := &token.Transport{Cache: cache}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, sb.URL()+"/v5.0/omr/RecognizeTemplate/GetRecognizeTemplate?id=1", nil)
	if status, err := roundTrip(rt, req); err != nil || status != http.StatusOK {
		t.Fatalf("%d, %v", status, err)
	}
	want(t, "token is valid", sb.Token.Valid(bearer(sb.Aspose.Requests()[0].Header)), true)
}

func TestLesson06_RedirectOfTheTokenRequestIsNotFollowed(t *testing.T) {
	for _, code := range []int{300, 301, 302, 303, 307, 308} {
		t.Run(http.StatusText(code), func(t *testing.T) {
			asked := make(chan struct{}, 8)
			elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked <- struct{}{}
				ok(grantJSON("stolen", `,"expires_in":3600`))(w, nil)
			}))
			defer elsewhere.Close()
			v := &vault{}
			v.put("v1", "id", "secret")
			sb, cache := onSockets(t, v, newTransport(t))
			sb.Token.Respond(func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Location", elsewhere.URL+sandbox.TokenPath)
				w.WriteHeader(code)
				return true
			})
			ctx, cancel := context.WithTimeout(t.Context(), budget)
			defer cancel()
			_, _, err := cache.Token(ctx)
			if problem.From(err).Code != problem.TokenUnavailable {
				t.Errorf("got %v", err)
			}
			want(t, "requests to the other host", len(asked), 0)
			want(t, "token requests", sb.Token.Count(), 1)
		})
	}
}

// Whether the upstream may have received a call is known by its connection.
func TestSentIsRecorded(t *testing.T) {
	v := &vault{}
	v.put("v1", sandbox.DefaultClientID, sandbox.DefaultClientSecret)
	transport := newTransport(t)
	sb, cache := onSockets(t, v, transport)
	rt := &token.Transport{Base: transport, Cache: cache}
	refused := httptest.NewServer(nil)
	refused.Close()
	sb.Aspose.Respond(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
	for target, sent := range map[string]bool{refused.URL: false, sb.URL(): true} {
		ctx, record := callrecord.With(t.Context())
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, target, nil)
		if _, err := roundTrip(rt, req); err == nil {
			t.Error("no error")
		}
		want(t, "sent", record.Sent, sent)
	}
}

// The relayed call's redirects come back as they are; the token stays.
func TestLesson06_BearerIsNotSentOnByARedirect(t *testing.T) {
	asked := make(chan struct{}, 8)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{} }))
	defer elsewhere.Close()
	v := &vault{}
	v.put("v1", sandbox.DefaultClientID, sandbox.DefaultClientSecret)
	transport := newTransport(t)
	sb, cache := onSockets(t, v, transport)
	sb.Aspose.Respond(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Location", elsewhere.URL)
		w.WriteHeader(http.StatusFound)
		return true
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, sb.URL()+"/v5.0/omr/x", nil)
	status, err := roundTrip(&token.Transport{Base: transport, Cache: cache}, req)
	if err != nil || status != http.StatusFound {
		t.Errorf("%d, %v", status, err)
	}
	want(t, "requests to the other host", len(asked), 0)
}
