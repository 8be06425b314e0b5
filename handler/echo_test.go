package handler_test

import (
	"encoding/base64"
	"fmt"
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

// TestEchoThatShowsOnceDecoded: one call decodes what the upstream sends in base64,
// and the token may be in that.
func TestEchoThatShowsOnceDecoded(t *testing.T) {
	for name, e := range map[string]event{
		"a scan's answers": restEvent(http.MethodGet, "/recognize/8ccd4f9c-9e4e-4f2e-90fd-e8e757b98ccb"),
		"a form":           restEvent(http.MethodGet, "/generate/8ccd4f9c-9e4e-4f2e-90fd-e8e757b98ccb").withHeaders("Accept", "application/zip"),
	} {
		relay := onSockets(t)
		var bearer string
		relay.Aspose.Respond(func(w http.ResponseWriter, r *http.Request) bool {
			bearer = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			data := base64.StdEncoding.EncodeToString([]byte("debug," + bearer))
			_, _ = fmt.Fprintf(w, `{"id":"x","responseStatusCode":"Ok","results":[{"type":"Csv","data":"%s"},{"type":"Omr","data":"%s"}],"error":null}`, data, data)
			return true
		})
		r := invoke(t, relay, e)
		wantProblem(t, r, http.StatusBadGateway, "upstream_echoed_token")
		if bearer == "" || strings.Contains(string(r.raw), bearer[len(bearer)/2:]) || strings.Contains(relay.out.String(), bearer) {
			t.Errorf("%s: the token got out: %s", name, r.raw)
		}
	}
}
