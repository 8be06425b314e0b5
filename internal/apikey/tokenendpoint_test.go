package apikey

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const grant = "grant_type=client_credentials"

// exchange sends a form and returns the status, the header and the answer.
func exchange(t *testing.T, authorization []string, form string) (int, http.Header, map[string]any) {
	t.Helper()
	request := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	if authorization != nil {
		request["Authorization"] = authorization
	}
	status, header, text := Exchange(request, []byte(form))
	var answer map[string]any
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	return status, header, answer
}

func basicOf(id, secret string) []string {
	return []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))}
}

// TestLesson20_BasicAuthentication takes the key from the header, as RFC 6749 has
// clients send it.
func TestLesson20_BasicAuthentication(t *testing.T) {
	const odd = "key+with/odd=characters~01"
	for name, c := range map[string]struct {
		authorization []string
		form, key     string
	}{
		"plain":          {basicOf("station-7", key), grant, key},
		"case of scheme": {[]string{strings.Replace(basicOf("s", key)[0], "Basic", "bAsIc", 1)}, grant, key},
		"encoded first":  {basicOf(url.QueryEscape("station 7"), url.QueryEscape(odd)), grant, odd},
		"not encoded":    {basicOf("s", odd), grant, odd},
		"the id twice":   {basicOf("station-7", key), grant + "&client_id=station-7", key},
		"a colon":        {basicOf("s", key), grant + "&scope=x", key},
		"the form alone": {nil, grant + "&client_id=s&client_secret=" + key, key},
		"an old token":   {[]string{"Bearer x"}, grant + "&client_id=s&client_secret=" + key, key},
	} {
		status, header, answer := exchange(t, c.authorization, c.form)
		if status != http.StatusOK || answer["access_token"] != c.key || answer["token_type"] != "Bearer" || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v %v", name, status, header, answer)
		}
	}
}

// A client that tried the header is told so by 401; one that tried two ways at once
// is refused (RFC 6749 §2.3, §5.2).
func TestFailedAuthentication(t *testing.T) {
	for name, c := range map[string]struct {
		authorization []string
		form          string
		status        int
		code          string
	}{
		"not base64":       {[]string{"Basic ***"}, grant, 401, "invalid_client"},
		"no colon":         {[]string{"Basic " + base64.StdEncoding.EncodeToString([]byte(key))}, grant, 401, "invalid_client"},
		"no key":           {basicOf("s", "abc"), grant, 401, "invalid_client"},
		"two headers":      {append(basicOf("s", key), basicOf("s", key)...), grant, 401, "invalid_client"},
		"two mechanisms":   {basicOf("s", key), grant + "&client_secret=" + key, 400, "invalid_request"},
		"another id":       {basicOf("s", key), grant + "&client_id=other", 400, "invalid_request"},
		"an empty secret":  {basicOf("s", ""), grant, 400, "invalid_request"},
		"the form's key":   {nil, grant + "&client_id=s&client_secret=abc", 400, "invalid_client"},
		"no grant":         {basicOf("s", key), "client_id=s", 400, "invalid_request"},
		"another grant":    {basicOf("s", key), "grant_type=password", 400, "unsupported_grant_type"},
		"a field repeated": {basicOf("s", key), grant + "&" + grant, 400, "invalid_request"},
	} {
		status, header, answer := exchange(t, c.authorization, c.form)
		want := map[bool]string{true: `Basic realm="omr-relay"`, false: ""}[c.status == 401]
		if status != c.status || answer["error"] != c.code || header.Get("WWW-Authenticate") != want {
			t.Errorf("%s: %d %v %v", name, status, header, answer)
		}
		if text, _ := json.Marshal(answer); strings.Contains(string(text), key) {
			t.Errorf("%s: the key is repeated: %s", name, text)
		}
	}
}

// There is one rule for what a key is: the endpoint gives out no token that the
// authorizer would then refuse.
func TestOneRuleForKeys(t *testing.T) {
	for _, candidate := range []string{"abc", strings.Repeat("a", 19), strings.Repeat("a", 20), strings.Repeat("a", 128), strings.Repeat("a", 129), "with space 0123456789ab", key} {
		status, _, _ := exchange(t, nil, grant+"&client_id=s&client_secret="+url.PathEscape(candidate))
		_, carried := FromHeader(http.Header{"Authorization": {"Bearer " + candidate}})
		if (status == http.StatusOK) != carried {
			t.Errorf("%q: given out with %d, then taken: %t", candidate, status, carried)
		}
	}
}
