package handler_test

import (
	"net/http"
	"testing"

	"omr-relay/handler"
)

func TestRoutesNotFound(t *testing.T) {
	for _, path := range []string{
		"/", "",
		"/v5.0", "/v5.0/", "/v5.0/omr", "/v5.0/storage/x", "/v5.0/omrx/x", "/v5.0/x/omr/x",
		"/V5.0/omr/x", "/v5.0/OMR/x", "/v5/omr/x", "/5.0/omr/x", "/v5.0.1/omr/x", "/v.0/omr/x", "/v5./omr/x",
		"/v12345.0/omr/x", "/v5.12345/omr/x", "/v5x0/omr/x", "/v٥.0/omr/x", "/xv5.0/omr/x", "/v5.0x/omr/x",
		"/x/v5.0/omr/x", "/v5.0%2Fomr/x", "/v5.0/omr%2Fx", "/v5.0%2Fomr%2Fx", "/v5.0;a/omr/x", "/v5.0/omr;a/x", "/v5.0/omr./x", "/v5.0/omr%20/x",
		"/healthz/", "/healthz/x", "/Healthz", "/healthz;a", "/health",
		"/recognize/", "/recognize/1/2", "/recognise", "/generate/", "/openapi", "/connect/token/", "/connect", "/oauth/token", "/oauth2/token/x",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodTrace} {
			for kind, e := range eachKind(method, path) {
				f := newFixture(nil)
				t.Run(kind+" "+method+" "+path, func(t *testing.T) {
					wantProblem(t, invoke(t, f, e), http.StatusNotFound, "route_not_found")
					f.none(t)
				})
			}
		}
	}
}

func TestMethods(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		for _, e := range eachKind(method, resultPath) {
			f := newFixture(nil)
			invoke(t, f, e)
			if got := f.only(t).method; got != method {
				t.Errorf("sent %s, want %s", got, method)
			}
		}
	}
	for _, test := range []struct{ method, path, allow string }{
		{"TRACE", resultPath, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"},
		{"CONNECT", resultPath, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"},
		{"get", resultPath, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"},
		{"", resultPath, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"},
		{"GET /x HTTP/1.1\r\n", resultPath, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"},
		{"POST", "/healthz", "GET"},
		{"HEAD", "/healthz", "GET"},
		{"GET", "/connect/token", "POST"},
		{"PUT", "/oauth2/token", "POST"},
	} {
		for _, e := range eachKind(test.method, test.path) {
			f := newFixture(nil)
			r := invoke(t, f, e)
			wantProblem(t, r, http.StatusMethodNotAllowed, "method_not_allowed")
			if r.Headers["Allow"] != test.allow {
				t.Errorf("%s %s: Allow %q", test.method, test.path, r.Headers["Allow"])
			}
			f.none(t)
		}
	}
}

// The health check answers by itself: neither the upstream nor the token
// service is asked.
func TestHealth(t *testing.T) {
	forbidden := roundTrip(func(r *http.Request) (*http.Response, error) {
		t.Errorf("a call of %s", r.URL)
		return nil, http.ErrHandlerTimeout
	})
	f := fixtureOf(handler.Config{Relay: forbidden, Connect: forbidden})
	for _, e := range eachKind(http.MethodGet, "/healthz") {
		r := invoke(t, f, e)
		if r.StatusCode != http.StatusOK || string(r.body) != `{"status":"ok"}` ||
			r.Headers["Content-Type"] != "application/json" || r.Headers["Cache-Control"] != "no-store" {
			t.Errorf("answered %d %v %s", r.StatusCode, r.Headers, r.body)
		}
	}
}
