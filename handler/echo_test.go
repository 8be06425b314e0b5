package handler_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestEchoedToken: an upstream that repeats what it was sent, anywhere in its
// answer, does not get the token to the caller.
func TestEchoedToken(t *testing.T) {
	for name, echo := range map[string]http.HandlerFunc{
		"body": func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.Header.Get("Authorization"))) },
		"deep": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(strings.Repeat("iVBO", 1e5) + r.Header.Get("Authorization") + "\xff"))
		},
		"header":     func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Debug", r.Header.Get("Authorization")) },
		"error page": func(w http.ResponseWriter, r *http.Request) { http.Error(w, r.Header.Get("Authorization"), 500) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/?"+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), http.StatusFound)
		},
	} {
		t.Run(name, func(t *testing.T) {
			relay := onSockets(t)
			var bearer string
			relay.Aspose.Respond(func(w http.ResponseWriter, r *http.Request) bool {
				bearer = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
				echo(w, r)
				return true
			})
			r := invoke(t, relay, resultEvent())
			wantProblem(t, r, http.StatusBadGateway, "upstream_echoed_token")
			if bearer == "" || strings.Contains(string(r.raw), bearer[len(bearer)/2:]) || strings.Contains(relay.out.String(), bearer) {
				t.Errorf("the token got out: %s", r.raw)
			}
		})
	}
}
