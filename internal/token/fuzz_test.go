package token

import (
	"net/http"
	"testing"
	"time"
)

// FuzzAnswer gives the token endpoint's words to whoever reads them: whatever
// comes of it can be sent, ends, and is not past already.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		`{"access_token":"eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDB9.c2ln","expires_in":3600,"token_type":"Bearer"}`,
		`{"access_token":"a","expires_in":"3600"}`, `{"access_token":"a","expires_in":-1}`, `{"access_token":"a","expires_in":1e308}`,
		`{"access_token":"a b"}`, `{"access_token":"a\r\nX: y"}`, `{"access_token":"e30.eyJleHAiOjF9.x"}`, `{}`, `null`, `[]`, ``, `{"error":"invalid_client"}`,
		"<html>", `{"access_token":{"a":1}}`, `{"Access_Token":"a","ACCESS_TOKEN":"b"}`,
	} {
		for _, status := range []int{200, 400, 401, 429, 503} {
			f.Add(status, "3", []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, status int, wait string, body []byte) {
		sent := time.Unix(1_800_000_000, 0)
		g, err := parseGrant(body, sent)
		if err == nil {
			if g.lifetime <= 0 || g.lifetime > maxLifetime {
				t.Errorf("lives for %v", g.lifetime)
			}
			req, _ := http.NewRequest(http.MethodGet, "http://x", nil)
			req.Header.Set("Authorization", "Bearer "+g.value.Reveal())
			if token := newToken(g.value, sent, g.lifetime, 0.2); !token.validAt(sent) || token.validAt(sent.Add(maxLifetime)) || token.softAt(sent) {
				t.Errorf("expires at %v, soft at %v", token.expiry, token.soft)
			}
			if !headerValue(req.Header.Get("Authorization")) {
				t.Error("cannot stand in a header")
			}
		}
		failure := judge(&http.Response{StatusCode: status, Header: http.Header{"Retry-After": {wait}}}, body)
		if failure.retryAfter < 0 || failure.kind == transient && status < 500 && status != 429 && status != 408 {
			t.Errorf("%d is %+v", status, failure)
		}
		if text := failure.Error(); len(text) > 100 {
			t.Errorf("says %q", text)
		}
	})
}

func headerValue(s string) bool {
	for _, b := range []byte(s) {
		if b < ' ' || b > '~' {
			return false
		}
	}
	return true
}
