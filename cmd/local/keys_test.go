package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

const (
	firstKey  = "first-key-of-nobody-0001"
	secondKey = "second-key-of-nobody-002"
	strangers = "a-key-of-another-api-003"
)

// behindKeys serves one request of an API with two keys. It returns the answer,
// and the event if one came through.
func behindKeys(t *testing.T, method, target string, authorization ...string) (*httptest.ResponseRecorder, *events.APIGatewayProxyRequest) {
	t.Helper()
	var event *events.APIGatewayProxyRequest
	g := &gateway{door: admission{keys: apiKeys{firstKey, secondKey}}, respond: func(_ context.Context, payload []byte, _ opener) ([]byte, error) {
		event = new(events.APIGatewayProxyRequest)
		return []byte(`{"statusCode":200}`), json.Unmarshal(payload, event)
	}}
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader("{}"))
	for _, value := range authorization {
		r.Header.Add("Authorization", value)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w, event
}

// An admitted caller is known by the key's id.
func TestKeysAdmitTheirCallers(t *testing.T) {
	for value, id := range map[string]string{
		"Bearer " + firstKey:   "local-key-1",
		"Bearer " + secondKey:  "local-key-2",
		"bearer  " + secondKey: "local-key-2",
	} {
		w, event := behindKeys(t, http.MethodPost, "/v5.0/omr/x", value)
		if w.Code != http.StatusOK || event == nil {
			t.Fatalf("%s: %d %s", id, w.Code, w.Body)
		}
		identity, authorizer := event.RequestContext.Identity, event.RequestContext.Authorizer
		if !strings.HasSuffix(value, identity.APIKey) || identity.APIKey == "" || identity.APIKeyID != id {
			t.Errorf("identity %+v, want %s", identity, id)
		}
		if authorizer["principalId"] != "api-key" {
			t.Errorf("authorizer %v", authorizer)
		}
	}
}

// The answers are API Gateway's, and nothing reaches the function.
func TestKeysTurnOthersAway(t *testing.T) {
	for name, c := range map[string]struct {
		method, target string
		authorization  []string
		status         int
	}{
		"no key":             {http.MethodPost, "/v5.0/omr/x", nil, http.StatusUnauthorized},
		"empty":              {http.MethodPost, "/v5.0/omr/x", []string{""}, http.StatusUnauthorized},
		"another scheme":     {http.MethodPost, "/v5.0/omr/x", []string{"Basic " + firstKey}, http.StatusUnauthorized},
		"no scheme":          {http.MethodPost, "/v5.0/omr/x", []string{firstKey}, http.StatusUnauthorized},
		"no key can be so":   {http.MethodPost, "/v5.0/omr/x", []string{"Bearer short"}, http.StatusUnauthorized},
		"two of them":        {http.MethodPost, "/v5.0/omr/x", []string{"Bearer " + firstKey, "Bearer " + firstKey}, http.StatusUnauthorized},
		"a stranger's":       {http.MethodPost, "/v5.0/omr/x", []string{"Bearer " + strangers}, http.StatusForbidden},
		"part of one":        {http.MethodPost, "/v5.0/omr/x", []string{"Bearer " + firstKey[:22]}, http.StatusForbidden},
		"health":             {http.MethodGet, "/healthz", nil, http.StatusUnauthorized},
		"no route":           {http.MethodGet, "/nowhere", nil, http.StatusUnauthorized},
		"GET of a token":     {http.MethodGet, "/connect/token", nil, http.StatusUnauthorized},
		"beside the token":   {http.MethodPost, "/connect/token/", nil, http.StatusUnauthorized},
		"spelt otherwise":    {http.MethodPost, "/connect%2Ftoken", nil, http.StatusUnauthorized},
		"token in the query": {http.MethodPost, "/v5.0/omr/x?/connect/token", nil, http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			w, event := behindKeys(t, c.method, c.target, c.authorization...)
			if event != nil {
				t.Fatal("it reached the function")
			}
			want, challenge := `"title":"Unauthorized","detail":"Unauthorized",`, `Bearer realm="omr-relay"`
			if c.status == http.StatusForbidden {
				want, challenge = `"detail":"Forbidden",`, ""
			}
			if w.Code != c.status || !strings.Contains(w.Body.String(), want) || w.Header().Get("WWW-Authenticate") != challenge {
				t.Errorf("%d %s %v, want %d %s", w.Code, w.Body, w.Header(), c.status, want)
			}
			if w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}

// They are resources of their own, as in the template.
func TestTokenEndpointsAskForNoKey(t *testing.T) {
	for _, path := range tokenPaths {
		w, event := behindKeys(t, http.MethodPost, path+"?x=1")
		if w.Code != http.StatusOK || event == nil {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		if event.Resource != path || event.PathParameters != nil || event.RequestContext.Identity.APIKeyID != "" || event.RequestContext.Authorizer != nil {
			t.Errorf("%s: %+v", path, event)
		}
	}
}

func TestKeysThatCannotStandInAHeader(t *testing.T) {
	for _, c := range []struct{ args, message string }{
		{"--api-key=" + firstKey + "é", "local: --api-key must have 20 to 128 characters"},
		{"--api-key= --api-key=" + firstKey, "local: --api-key must have 20 to 128 characters"},
		{"--api-key=" + firstKey + " --api-key=" + firstKey, "local: --api-key was given the same key twice"},
	} {
		got := runWith(t.Context(), strings.NewReader(""), unset, append([]string{"start-api"}, strings.Fields(c.args)...)...)
		if got.status != exitUsage || !strings.HasPrefix(got.stderr, c.message) || strings.Contains(got.stderr, firstKey) {
			t.Errorf("%d %s, want %q", got.status, got.stderr, c.message)
		}
	}
}

// TestStartAPIBehindKeys goes the way of an SDK: a token for the key, then a
// call with it. The key is shown nowhere.
func TestStartAPIBehindKeys(t *testing.T) {
	base, shown := startLocal(t, "--api-key", firstKey, "--api-key", secondKey)
	for _, key := range []string{firstKey, secondKey} {
		form := "grant_type=client_credentials&client_id=test&client_secret=" + key
		var token struct {
			AccessToken string `json:"access_token"`
		}
		if status, body := post(t, base+"/connect/token", "application/x-www-form-urlencoded", "", form); status != http.StatusOK {
			t.Fatalf("token: %d %s", status, body)
		} else if err := json.Unmarshal([]byte(body), &token); err != nil || token.AccessToken != key {
			t.Fatalf("token: %s, %v", body, err)
		}
		const task = `{"images":["aW1hZ2U="],"omrFile":"cGF0dGVybg==","outputFormat":"CSV"}`
		submit := base + "/v5.0/omr/RecognizeTemplate/PostRecognizeTemplate"
		if status, id := post(t, submit, "application/json", "Bearer "+token.AccessToken, task); status != http.StatusOK || !guid.MatchString(id) {
			t.Errorf("submitting: %d %s", status, id)
		}
		if status, _ := post(t, submit, "application/json", "Bearer "+strangers, task); status != http.StatusForbidden {
			t.Errorf("a stranger: %d", status)
		}
	}
	log := shown()
	if !inOrder(log, "· callers   2 API keys, as Authorization: Bearer KEY", `"api_key_id":"local-key-1","caller":"api-key"`, `"api_key_id":"local-key-2"`) {
		t.Errorf("shown:\n%s", log)
	}
	for _, key := range []string{firstKey, secondKey, strangers} {
		if strings.Contains(log, key) {
			t.Errorf("%s was shown:\n%s", key, log)
		}
	}
}

// post posts to url and returns the answer's status and body.
func post(t *testing.T, url, contentType, authorization, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
