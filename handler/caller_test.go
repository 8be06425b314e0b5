package handler_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
)

// TestCaller wants the caller in the log line, and the key nowhere.
func TestCaller(t *testing.T) {
	const key = "the-key-itself-0123456789"
	for name, test := range map[string]struct{ event, context, keyID, caller string }{
		"API key":     {"rest", `{"identity":{"apiKey":"` + key + `","apiKeyId":"abc123","caller":null}}`, "abc123", ""},
		"authorizer":  {"rest", `{"identity":{"apiKey":"` + key + `","apiKeyId":"abc123"},"authorizer":{"principalId":"api-key","integrationLatency":3}}`, "abc123", "api-key"},
		"IAM":         {"rest", `{"identity":{"caller":"AIDAEXAMPLE:session","userArn":"arn:aws:iam::123456789012:user/x"}}`, "", "AIDAEXAMPLE:session"},
		"user pool":   {"rest", `{"identity":{},"authorizer":{"claims":{"client_id":"1example","sub":"s"}}}`, "", "1example"},
		"no claims":   {"rest", `{"identity":{},"authorizer":{"claims":null,"jwt":{"claims":{"sub":"s-2"}},"principalId":"p"}}`, "", "s-2"},
		"no balancer": {"rest", `{"elb":null,"identity":{"caller":"AIDAEXAMPLE"}}`, "", "AIDAEXAMPLE"},
		"nobody":      {"rest", `{"identity":null,"authorizer":null}`, "", ""},
		"no names":    {"rest", `{"identity":{"apiKeyId":"a\nb","caller":"` + strings.Repeat("x", 257) + `"}}`, "", ""},
		"HTTP IAM":    {"http", `{"http":{"method":"GET"},"authorizer":{"iam":{"callerId":"AIDAEXAMPLE"}}}`, "", "AIDAEXAMPLE"},
		"HTTP JWT":    {"http", `{"http":{"method":"GET"},"authorizer":{"jwt":{"claims":{"sub":"s-1"}}}}`, "", "s-1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := inBubble(t)
				e := eachKind("GET", resultPath)[test.event].with("requestContext", json.RawMessage(test.context))
				invoke(t, w, e)
				var line struct {
					KeyID  string `json:"api_key_id"`
					Caller string `json:"caller"`
				}
				log := w.out.String()
				for text := range strings.Lines(log) {
					if strings.Contains(text, `"message":"invocation"`) {
						if err := json.Unmarshal([]byte(text), &line); err != nil {
							t.Fatal(err)
						}
					}
				}
				if line.KeyID != test.keyID || line.Caller != test.caller {
					t.Errorf("logged %+v, want %q and %q", line, test.keyID, test.caller)
				}
				if strings.Count(log, "api_key_id") != min(len(test.keyID), 1) {
					t.Errorf("a key is a dimension, and billed for each: %s", log)
				}
				if strings.Contains(log, key) {
					t.Errorf("the log shows the key: %s", log)
				}
			})
		})
	}
}
