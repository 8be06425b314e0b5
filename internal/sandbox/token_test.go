package sandbox_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"omr-relay/internal/sandbox"
)

func TestTokenServiceRefusals(t *testing.T) {
	good := grant("id", "s+c&r%t")
	for _, tt := range []struct {
		name, method, target, contentType, body string
		header                                  []string
		status                                  int
		code                                    string
	}{
		{name: "accepted", status: 200},
		{name: "accepted with charset", contentType: form + "; charset=utf-8", status: 200},
		{name: "method", method: "GET", status: 405, code: "invalid_request"},
		{name: "path", target: "/connect/token/", status: 404},
		{name: "no content type", contentType: "-", status: 400, code: "invalid_request"},
		{name: "JSON", contentType: "application/json", status: 400, code: "invalid_request"},
		{name: "multipart", contentType: "multipart/form-data; boundary=x", status: 400, code: "invalid_request"},
		{name: "query", target: sandbox.TokenPath + "?grant_type=client_credentials", status: 400, code: "invalid_request"},
		{name: "second authentication", header: []string{"Authorization", "Basic aWQ6cw=="}, status: 400, code: "invalid_request"},
		{name: "empty body", body: "-", status: 400, code: "invalid_request"},
		{name: "bad escape", body: good + "%zz", status: 400, code: "invalid_request"},
		{name: "semicolon", body: good + ";", status: 400, code: "invalid_request"},
		{name: "repeated", body: good + "&client_id=id", status: 400, code: "invalid_request"},
		{name: "unknown parameter", body: good + "&scope=all", status: 400, code: "invalid_request"},
		{name: "oversized", body: good + strings.Repeat("x", 256<<10), status: 400, code: "invalid_request"},
		{name: "grant missing", body: "client_id=id&client_secret=s", status: 400, code: "invalid_request"},
		{name: "other grant", body: strings.Replace(good, "client_credentials", "password", 1), status: 400, code: "unsupported_grant_type"},
		{name: "no client", body: "grant_type=client_credentials", status: 400, code: "invalid_client"},
		{name: "empty secret", body: grant("id", ""), status: 400, code: "invalid_client"},
		{name: "wrong id", body: grant("ID", "s+c&r%t"), status: 400, code: "invalid_client"},
		{name: "wrong secret", body: grant("id", "s c&r%t"), status: 400, code: "invalid_client"},
		{name: "secret not encoded", body: "grant_type=client_credentials&client_id=id&client_secret=s+c", status: 400, code: "invalid_client"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			service := &sandbox.TokenService{}
			service.Accept("id", "s+c&r%t")
			or := func(s *string, fallback string) {
				switch *s {
				case "":
					*s = fallback
				case "-":
					*s = ""
				}
			}
			or(&tt.method, http.MethodPost)
			or(&tt.target, sandbox.TokenPath)
			or(&tt.contentType, form)
			or(&tt.body, good)
			if tt.contentType != "" {
				tt.header = append(tt.header, "Content-Type", tt.contentType)
			}
			resp, body := call(t, sandbox.InProcess(service), tt.method, "http://x"+tt.target, tt.body, tt.header...)
			var got struct {
				Error       string `json:"error"`
				Description string `json:"error_description"`
			}
			if body != "" {
				if err := json.Unmarshal([]byte(body), &got); err != nil {
					t.Fatalf("%q: %v", body, err)
				}
			}
			if resp.StatusCode != tt.status || got.Error != tt.code {
				t.Errorf("%d %s, want %d %s", resp.StatusCode, body, tt.status, tt.code)
			}
			if resp.Header.Get("Cache-Control") != "no-store" {
				t.Error("the answer may be cached")
			}
			if allow := resp.Header.Get("Allow"); (tt.status == http.StatusMethodNotAllowed) != (allow == http.MethodPost) {
				t.Errorf("Allow = %q", allow)
			}
			if minted := service.Mints() == 1; minted != (tt.status == http.StatusOK) {
				t.Errorf("Mints() = %d", service.Mints())
			}
		})
	}
}

func TestTokenLifetime(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	service := &sandbox.TokenService{Now: func() time.Time { return now }}
	service.Accept("id", "secret")
	service.SetLifetime(90 * time.Second)
	rt := sandbox.InProcess(service)
	token, expiresIn := mint(t, rt, "http://x", "id", "secret")

	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%d segments, want 3", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Iss, Jti string
		Iat, Exp int64
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	if expiresIn != 90 || claims.Iat != now.Unix() || claims.Exp != now.Unix()+90 || claims.Jti == "" || !strings.Contains(claims.Iss, "sandbox") {
		t.Errorf("expires_in %d, claims %+v", expiresIn, claims)
	}

	issued := now
	for _, tt := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {90*time.Second - 1, true}, {90 * time.Second, false}, {time.Hour, false}} {
		now = issued.Add(tt.after)
		if got := service.Valid(token); got != tt.want {
			t.Errorf("Valid after %v = %t", tt.after, got)
		}
	}
	if service.Valid("") || service.Valid(token+"x") {
		t.Error("a token that was never issued is valid")
	}
}

func TestTokenRevocation(t *testing.T) {
	service := &sandbox.TokenService{}
	service.AcceptAny()
	rt := sandbox.InProcess(service)
	first, _ := mint(t, rt, "http://x", "anyone", "anything")
	second, _ := mint(t, rt, "http://x", "anyone", "anything")
	if first == second || service.Mints() != 2 {
		t.Fatal("two mints gave one token")
	}
	if !service.Valid(first) {
		t.Error("a second mint ended the first token")
	}
	service.Revoke(first)
	if service.Valid(first) || !service.Valid(second) {
		t.Error("Revoke must end that token alone")
	}
	service.RevokeAll()
	if service.Valid(second) {
		t.Error("RevokeAll left a token")
	}
	third, _ := mint(t, rt, "http://x", "anyone", "anything")
	if !service.Valid(third) {
		t.Error("a token minted after RevokeAll must be valid")
	}
}

func TestTokenReissue(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	service := &sandbox.TokenService{Now: func() time.Time { return now }}
	service.AcceptAny()
	service.SetReissue(true)
	rt := sandbox.InProcess(service)
	first, _ := mint(t, rt, "http://x", "id", "s")
	now = now.Add(59 * time.Minute)
	again, left := mint(t, rt, "http://x", "id", "s")
	if again != first || left != 60 || service.Mints() != 1 {
		t.Errorf("reissue: same token %t, %d s left, %d mints", again == first, left, service.Mints())
	}
	now = now.Add(time.Minute)
	if fresh, left := mint(t, rt, "http://x", "id", "s"); fresh == first || left != 3600 {
		t.Errorf("an expired token was handed out again, %d s left", left)
	}
}

func TestTokenServiceConcurrently(t *testing.T) {
	service := &sandbox.TokenService{}
	rt := sandbox.InProcess(service)
	service.AcceptAny()
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			token, _ := mint(t, rt, "http://x", "id", "s")
			service.Valid(token)
			service.Revoke(token)
			service.SetLifetime(time.Hour)
		})
	}
	wg.Wait()
	if service.Mints() != 16 || service.Count() != 16 {
		t.Errorf("%d mints, %d requests, want 16", service.Mints(), service.Count())
	}
}

// TestLesson24_TokenServiceBans a pair of credentials as the service does: after
// five answers of 400, for ten minutes, and no other.
func TestLesson24_TokenServiceBans(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	service := &sandbox.TokenService{Now: func() time.Time { return now }}
	service.Accept("id", "good")
	rt := sandbox.InProcess(service)
	ask := func(id, secret string, status int, retryAfter string) {
		t.Helper()
		resp, body := call(t, rt, http.MethodPost, "http://x"+sandbox.TokenPath, grant(id, secret), "Content-Type", form)
		if resp.StatusCode != status || resp.Header.Get("Retry-After") != retryAfter {
			t.Errorf("%d, Retry-After %q: %s; want %d, %q", resp.StatusCode, resp.Header.Get("Retry-After"), body, status, retryAfter)
		}
	}
	for range 5 {
		now = now.Add(time.Hour) // however far apart
		ask("id", "bad", 400, "")
	}
	ask("id", "bad", 429, "600")
	ask("id", "good", 200, "")
	ask("i", "dbad", 400, "")
	service.Accept("id", "bad") // being right now does not help
	now = now.Add(10*time.Minute - time.Second/2)
	ask("id", "bad", 429, "1")
	now = now.Add(time.Second / 2)
	ask("id", "bad", 200, "")
	service.Accept("id", "good")
	for range 5 { // it counts from the beginning
		ask("id", "bad", 400, "")
	}
	ask("id", "bad", 429, "600")
	for range 9 { // no pair, nothing to ban
		ask("", "", 400, "")
	}
}
