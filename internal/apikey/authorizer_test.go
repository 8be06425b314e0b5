package apikey

import (
	"encoding/json"
	"strings"
	"testing"
)

const (
	key       = "abcdefghij0123456789-ABCDEFGHIJ"
	methodARN = "arn:aws:execute-api:eu-west-1:123456789012:api0id0000/live/POST/v5.0/omr/recognize"
)

func event(t *testing.T, headers map[string][]string) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]any{"type": "REQUEST", "methodArn": methodARN, "multiValueHeaders": headers})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAllowed(t *testing.T) {
	want := `{"principalId":"api-key","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow",` +
		`"Resource":"arn:aws:execute-api:eu-west-1:123456789012:api0id0000/live/*"}]},"usageIdentifierKey":"` + key + `"}`
	for _, headers := range []map[string][]string{
		{"Authorization": {"Bearer " + key}},
		{"authorization": {"bearer " + key}},
		{"AUTHORIZATION": {"BEARER   " + key}, "x-api-key": {"ignored"}},
	} {
		got, err := Authorizer{}.Invoke(t.Context(), event(t, headers))
		if err != nil || string(got) != want {
			t.Errorf("%v: %s, %v", headers, got, err)
		}
	}
	// Both maps may say that they are empty in more than one way (lesson 22).
	for _, multi := range []string{`null`, `{}`, `{ }`, `{"a":[]}`, `{"a":[null]}`, `{"Authorization":null}`} {
		payload := []byte(`{"type":"REQUEST","methodArn":"` + methodARN + `","multiValueHeaders":` + multi + `,"headers":{"authorization":"bearer ` + key + `","x":null}}`)
		if got, err := (Authorizer{}).Invoke(t.Context(), payload); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", multi, got, err)
		}
	}
	single := []byte(`{"type":"REQUEST","methodArn":"` + methodARN + `","headers":{"Authorization":"Bearer ` + key + `"}}`)
	if got, err := (Authorizer{}).Invoke(t.Context(), single); err != nil || string(got) != want {
		t.Errorf("single headers: %s, %v", got, err)
	}
}

// TestUnauthorized fails closed, with the text that makes API Gateway answer 401.
func TestUnauthorized(t *testing.T) {
	for name, headers := range map[string]map[string][]string{
		"none":           nil,
		"empty":          {"Authorization": {""}},
		"no scheme":      {"Authorization": {key}},
		"other scheme":   {"Authorization": {"Basic " + key}},
		"no key":         {"Authorization": {"Bearer "}},
		"short":          {"Authorization": {"Bearer " + key[:19]}},
		"long":           {"Authorization": {"Bearer " + strings.Repeat("a", 129)}},
		"inner space":    {"Authorization": {"Bearer " + key + " " + key}},
		"control":        {"Authorization": {"Bearer " + key + "\n"}},
		"not ASCII":      {"Authorization": {"Bearer " + key + "é"}},
		"two":            {"Authorization": {"Bearer " + key, "Bearer " + key}},
		"two spellings":  {"Authorization": {"Bearer " + key}, "authorization": {"Bearer " + key}},
		"only x-api-key": {"x-api-key": {key}},
	} {
		got, err := Authorizer{}.Invoke(t.Context(), event(t, headers))
		if got != nil || err == nil || err.Error() != "Unauthorized" {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

func TestOtherEvents(t *testing.T) {
	for _, payload := range []string{
		``, `null`, `[]`, `{}`, `{"type":"TOKEN","authorizationToken":"Bearer ` + key + `","methodArn":"` + methodARN + `"}`,
		`{"type":"REQUEST","headers":{"Authorization":"Bearer ` + key + `"}}`,
		`{"type":"REQUEST","methodArn":"*","headers":{"Authorization":"Bearer ` + key + `"}}`,
		`{"type":"REQUEST","methodArn":"arn:aws:execute-api:*:*:*/*/*","headers":{"Authorization":"Bearer ` + key + `"}}`,
		`{"type":"REQUEST","methodArn":7}`,
	} {
		got, err := Authorizer{}.Invoke(t.Context(), []byte(payload))
		if got != nil || err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("%s: %s, %v", payload, got, err)
		}
	}
}

func FuzzInvoke(f *testing.F) {
	f.Add([]byte(`{"type":"REQUEST","methodArn":"` + methodARN + `","headers":{"Authorization":"Bearer ` + key + `"}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := Authorizer{}.Invoke(t.Context(), payload)
		if (got == nil) == (err == nil) {
			t.Fatalf("%s, %v", got, err)
		}
		var d decision
		if err == nil && (json.Unmarshal(got, &d) != nil || !Valid(d.UsageIdentifierKey) || len(d.PolicyDocument.Statement) != 1) {
			t.Errorf("allowed with %s", got)
		}
	})
}
