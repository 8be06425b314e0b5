package handler_test

import (
	"net/http"
	"strings"
	"testing"

	"omr-relay/handler"
	"omr-relay/handler/gateway"
)

const portal = "https://portal.school.example"

// A browser asks before it sends a key; it is answered without a call, and every
// answer says who may read it, problems included.
func TestCORS(t *testing.T) {
	upstream := roundTrip(func(*http.Request) (*http.Response, error) {
		return respond(http.StatusOK, http.Header{"Access-Control-Allow-Origin": {"*"}, "Access-Control-Allow-Credentials": {"true"},
			"Vary": {"Accept"}, "Content-Type": {"text/csv"}}, "a"), nil
	})
	for kind, e := range eachKind(http.MethodOptions, "/v5.0/omr/RecognizeTemplate/PostRecognizeTemplate") {
		f := fixtureOf(handler.Config{Relay: upstream, AllowOrigin: portal})
		r := invoke(t, f, e.withHeaders("Origin", portal, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization"))
		f.none(t)
		if r.StatusCode != http.StatusNoContent || r.Headers["Access-Control-Allow-Origin"] != portal || r.Headers["Vary"] != "Origin" ||
			r.Headers["Access-Control-Allow-Headers"] != "Authorization, Content-Type, Idempotency-Key, Prefer" {
			t.Errorf("%s: preflight %d %v", kind, r.StatusCode, r.Headers)
		}
	}
	for name, c := range map[string]struct {
		e      event
		status int
		vary   string
	}{
		"relayed": {resultEvent(), http.StatusOK, "Accept, Origin"},
		"problem": {restEvent(http.MethodGet, "/nowhere"), http.StatusNotFound, "Origin"},
		"health":  {restEvent(http.MethodGet, "/healthz"), http.StatusOK, "Origin"},
		"OPTIONS": {restEvent(http.MethodOptions, resultPath), http.StatusOK, "Accept, Origin"},
	} {
		f := fixtureOf(handler.Config{Relay: upstream, AllowOrigin: portal})
		r := invoke(t, f, c.e.withHeaders("Origin", portal))
		if r.StatusCode != c.status || r.Headers["Access-Control-Allow-Origin"] != portal || r.Headers["Vary"] != c.vary ||
			r.Headers["Access-Control-Expose-Headers"] != "Content-Location, Location, Preference-Applied, Retry-After, Omr-Status" || r.Headers["Access-Control-Allow-Credentials"] != "" {
			t.Errorf("%s: %d %v", name, r.StatusCode, r.Headers)
		}
	}
	// A page may also read that an answer could not go as it came.
	large := roundTrip(func(*http.Request) (*http.Response, error) {
		return respond(http.StatusOK, nil, strings.Repeat("x", gateway.MaxPayload+1)), nil
	})
	if r := invoke(t, fixtureOf(handler.Config{Relay: large, AllowOrigin: portal}), resultEvent()); r.StatusCode != http.StatusBadGateway || r.Headers["Access-Control-Allow-Origin"] != portal {
		t.Errorf("too large: %d %v", r.StatusCode, r.Headers)
	}
	// Without an origin nothing is allowed, whatever the upstream says.
	f := fixtureOf(handler.Config{Relay: upstream})
	for _, e := range []event{resultEvent(), restEvent(http.MethodOptions, resultPath).withHeaders("Origin", portal, "Access-Control-Request-Method", "POST")} {
		r := invoke(t, f, e)
		for name := range r.Headers {
			if http.CanonicalHeaderKey(name)[:1] == "A" {
				t.Errorf("allows by %s: %v", name, r.Headers)
			}
		}
	}
}
