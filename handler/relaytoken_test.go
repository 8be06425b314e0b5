package handler_test

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
)

const callerKey = "k-._~+/0123456789abcdef=="

// asForm writes the fields as Python's SDKs do, and returns the content type.
func asForm(t *testing.T, fields ...string) (contentType, body string) {
	t.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for i := 0; i < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), buf.String()
}

// TestRelayToken hands each SDK its own key back, however it writes the form.
func TestRelayToken(t *testing.T) {
	const urlencoded = "application/x-www-form-urlencoded"
	multipartType, multipartBody := asForm(t, "grant_type", "client_credentials", "client_id", "station 7", "client_secret", callerKey)
	want := `{"access_token":"` + callerKey + `","token_type":"Bearer","expires_in":3600}`
	for name, test := range map[string]struct{ contentType, body string }{
		"urlencoded":   {urlencoded, "grant_type=client_credentials&client_id=station%207&client_secret=k-._~%2B%2F0123456789abcdef%3D%3D"},
		"charset":      {urlencoded + "; charset=utf-8", "client_secret=" + callerKey + "&client_id=x&grant_type=client_credentials&"},
		"not encoded":  {urlencoded, "grant_type=client_credentials&client_id=station 7&client_secret=" + callerKey},
		"untyped":      {"", "grant_type=client_credentials&client_id=100%&client_secret=" + callerKey},
		"more fields":  {urlencoded, "grant_type=client_credentials&client_id=x&scope=all&client_secret=" + callerKey},
		"multipart":    {multipartType, multipartBody},
		"odd spelling": {"Application/X-WWW-Form-Urlencoded", "grant_type=client_credentials&client_id=x&client_secret=" + callerKey},
	} {
		for _, path := range []string{"/connect/token", "/oauth2/token"} {
			for kind, e := range eachKind(http.MethodPost, path) {
				f := newFixture(nil)
				r := invoke(t, f, e.withHeaders("Content-Type", test.contentType).withBody(test.body))
				if r.StatusCode != http.StatusOK || string(r.body) != want {
					t.Errorf("%s, %s %s: %d %s", name, kind, path, r.StatusCode, r.body)
				}
				if r.Headers["Cache-Control"] != "no-store" || r.Headers["Pragma"] != "no-cache" || r.Headers["Content-Type"] != "application/json" {
					t.Errorf("%s: headers %v", name, r.Headers)
				}
				f.none(t)
			}
		}
	}
}

// TestRelayTokenErrors wants RFC 6749 §5.2, and nothing of what was sent.
func TestRelayTokenErrors(t *testing.T) {
	const good = "grant_type=client_credentials&client_id=x&client_secret=" + callerKey
	twiceType, twiceBody := asForm(t, "grant_type", "client_credentials", "client_id", "x", "client_secret", callerKey, "client_secret", callerKey)
	_, cut, _ := strings.Cut(twiceType, "=")
	for name, test := range map[string]struct{ contentType, body, want string }{
		"empty":            {"application/x-www-form-urlencoded", "", "invalid_request"},
		"no grant_type":    {"application/x-www-form-urlencoded", "client_id=x&client_secret=" + callerKey, "invalid_request"},
		"other grant_type": {"application/x-www-form-urlencoded", "grant_type=password&client_id=x&client_secret=" + callerKey, "unsupported_grant_type"},
		"no client_id":     {"application/x-www-form-urlencoded", "grant_type=client_credentials&client_secret=" + callerKey, "invalid_request"},
		"no client_secret": {"application/x-www-form-urlencoded", "grant_type=client_credentials&client_id=x", "invalid_request"},
		"empty secret":     {"application/x-www-form-urlencoded", "grant_type=client_credentials&client_id=x&client_secret=", "invalid_request"},
		"secret no key":    {"application/x-www-form-urlencoded", "grant_type=client_credentials&client_id=x&client_secret=%0d%0a" + callerKey, "invalid_client"},
		"twice":            {"application/x-www-form-urlencoded", good + "&client_secret=" + callerKey, "invalid_request"},
		"JSON":             {"application/json", `{"grant_type":"client_credentials"}`, "invalid_request"},
		"broken type":      {"multipart/form-data; boundary", good, "invalid_request"},
		"no boundary":      {"multipart/form-data", good, "invalid_request"},
		"multipart twice":  {twiceType, twiceBody, "invalid_request"},
		"multipart cut":    {"multipart/form-data; boundary=" + cut, twiceBody[:len(twiceBody)/2], "invalid_request"},
		"oversized":        {"application/x-www-form-urlencoded", good + "&x=" + strings.Repeat("x", 16<<10), "invalid_request"},
	} {
		for _, e := range eachKind(http.MethodPost, "/connect/token") {
			f := newFixture(nil)
			r := invoke(t, f, e.withHeaders("Content-Type", test.contentType).withBody(test.body))
			var document struct {
				Error       string `json:"error"`
				Description string `json:"error_description"`
			}
			if err := json.Unmarshal(r.body, &document); err != nil || r.StatusCode != http.StatusBadRequest || document.Error != test.want || document.Description == "" {
				t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
			}
			if strings.Contains(string(r.body), callerKey[:12]) {
				t.Errorf("%s: repeats the key: %s", name, r.body)
			}
			f.none(t)
		}
	}
	f := newFixture(nil)
	r := invoke(t, f, restEvent(http.MethodPost, "/connect/token").withBody("!").with("isBase64Encoded", true))
	if r.StatusCode != http.StatusBadRequest || !strings.Contains(string(r.body), `"invalid_request"`) {
		t.Errorf("bad base64: %d %s", r.StatusCode, r.body)
	}
}

// TestRelayTokenInBase64 is how an API with binary media types sends a form.
func TestRelayTokenInBase64(t *testing.T) {
	f := newFixture(nil)
	e := restEvent(http.MethodPost, "/connect/token").with("isBase64Encoded", true).
		withBody("Z3JhbnRfdHlwZT1jbGllbnRfY3JlZGVudGlhbHMmY2xpZW50X2lkPXgmY2xpZW50X3NlY3JldD1hYmNkZWZnaGlqMDEyMzQ1Njc4OQ==")
	if r := invoke(t, f, e); r.StatusCode != http.StatusOK || !strings.Contains(string(r.body), `"abcdefghij0123456789"`) {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}
