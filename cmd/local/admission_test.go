package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Without keys there may be a real secret behind the port, and any page that a
// browser shows can send requests to it.
func TestOpenAPIServesPeopleHereAlone(t *testing.T) {
	for _, c := range []struct {
		method, host string
		header       map[string]string
		status       int
		told         string
	}{
		{"POST", "127.0.0.1:3000", nil, 200, ""},
		{"POST", "[::1]:3000", nil, 200, ""},
		{"POST", "localhost", nil, 200, ""},
		{"POST", "LOCALHOST:3000", nil, 200, ""},
		{"POST", "192.0.2.7:3000", nil, 200, ""}, // an address cannot be made to resolve elsewhere
		{"POST", "scanner.test:3000", nil, 200, ""},
		{"GET", "rebound.example:3000", nil, 421, "421: Host names another server: rebound.example"},
		{"POST", "localhost.rebound.example", nil, 421, "421: Host names another server: localhost.rebound.example"},
		{"GET", "", nil, 421, "421: Host names another server: "},
		{"POST", "localhost:3000", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403, "403: a page of another origin sent it"},
		{"DELETE", "localhost:3000", map[string]string{"Origin": "https://elsewhere.example"}, 403, "403: a page of another origin sent it"},
		{"POST", "localhost:3000", map[string]string{"Origin": "http://localhost:3000"}, 200, ""},
		{"POST", "localhost:3000", map[string]string{"Sec-Fetch-Site": "same-origin"}, 200, ""},
		{"GET", "localhost:3000", map[string]string{"Sec-Fetch-Site": "cross-site"}, 200, ""},
	} {
		told := ""
		door := admission{host: "scanner.test", tell: func(why string) { told = why }}
		r := httptest.NewRequestWithContext(t.Context(), c.method, "/x", nil)
		r.Host = c.host
		for name, value := range c.header {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		_, ok := door.admit(w, r)
		if ok != (c.status == 200) || !ok && w.Code != c.status || told != c.told {
			t.Errorf("%+v: admitted %t, %d, told %q", c, ok, w.Code, told)
		}
	}
}

// With keys, each request that is turned away says why, and no key is shown.
func TestRefusalsAreTold(t *testing.T) {
	for told, header := range map[string][2]string{
		"401: no API key; send Authorization: Bearer KEY":            {},
		"401: x-api-key is not read; send Authorization: Bearer KEY": {"x-api-key", firstKey},
		"403: the key is none of --api-key's":                        {"Authorization", "Bearer " + strangers},
	} {
		var got []string
		door := admission{keys: apiKeys{firstKey}, tell: func(why string) { got = append(got, why) }}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/x", nil)
		if header[0] != "" {
			r.Header.Set(header[0], header[1])
		}
		if _, ok := door.admit(httptest.NewRecorder(), r); ok || strings.Join(got, "|") != told {
			t.Errorf("admitted %t, told %q, want %q", ok, got, told)
		}
	}
}

// Where pages of one origin may call, they can: with keys and without, and no other
// page can. What the deployed API lets through without a key is a preflight alone.
func TestPagesOfTheAllowedOrigin(t *testing.T) {
	const portal = "https://portal.school.example"
	for _, c := range []struct {
		method, origin string
		asks, key      bool
		open, keyed    int // the status where the API has no keys, and where it has; 200 if admitted
	}{
		{method: "POST", origin: portal, open: 200, keyed: 401},
		{method: "POST", origin: portal, key: true, open: 200, keyed: 200},
		{method: "OPTIONS", origin: portal, asks: true, open: 200, keyed: 200},
		{method: "OPTIONS", origin: portal, open: 200, keyed: 401},
		{method: "POST", origin: "https://elsewhere.example", open: 403, keyed: 401},
	} {
		for keys, want := range map[string]int{"": c.open, firstKey: c.keyed} {
			g := &gateway{door: admission{host: "127.0.0.1", origin: portal}, respond: func(context.Context, []byte, opener) ([]byte, error) {
				return []byte(`{"statusCode":200}`), nil
			}}
			if keys != "" {
				g.door.keys = apiKeys{keys}
			}
			r := httptest.NewRequestWithContext(t.Context(), c.method, "/v5.0/omr/x", nil)
			r.Host = "127.0.0.1:3000"
			r.Header.Set("Origin", c.origin)
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			if c.asks {
				r.Header.Set("Access-Control-Request-Method", "POST")
			}
			if c.key {
				r.Header.Set("Authorization", "Bearer "+firstKey)
			}
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			if allowed := w.Header().Get("Access-Control-Allow-Origin"); w.Code != want || allowed != portal {
				t.Errorf("%+v, keys %t: %d, allowed to %q, want %d", c, keys != "", w.Code, allowed, want)
			}
		}
	}
}
