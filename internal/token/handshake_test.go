package token_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"omr-relay/internal/token"
)

// TestLesson03_OnTheWire is TestLesson03_TokenThatExpiresWhileConnecting with
// net/http's own transport and a TLS handshake that outlasts the token: what is
// taken off the request by then does not go out.
func TestLesson03_OnTheWire(t *testing.T) {
	r := newRig(t)
	r.Token.SetLifetime(time.Second)
	r.Aspose.Record(4)
	upstream := httptest.NewUnstartedServer(r.Upstream())
	upstream.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		<-time.After(1100 * time.Millisecond) // the token's life, in the real time of a real handshake
		return nil, nil
	}}
	upstream.StartTLS()
	defer upstream.Close()
	rt := &token.Transport{Base: upstream.Client().Transport, Cache: r.cache}
	r.mustGet(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, upstream.URL+"/v5.0/omr/RecognizeTemplate/GetRecognizeTemplate?id=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := roundTrip(rt, req); err != nil {
		t.Error(err)
	}
	calls := r.Aspose.Requests()
	if len(calls) == 0 || calls[0].Header.Get("Authorization") != "" {
		t.Errorf("%d calls; the expired token went out", len(calls))
	}
}
