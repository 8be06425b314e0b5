package main

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestEvents(t *testing.T) {
	f, err := fixture("../..")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		make     func([]byte) (call, error)
		min, max int // of the event
		reply    int // at least
	}{
		"json":     {bigJSON, 4_390_000, 4_450_000, 36},
		"base64":   {bigBase64, 4_390_000, 4_450_000, 10},
		"response": {bigResponse, 1_000, 4_000, 1_000_000},
		"small":    {small, 2_000, 5_000, 36},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := tc.make(f)
			if err != nil {
				t.Fatal(err)
			}
			if len(c.event) < tc.min || len(c.event) > tc.max || len(c.reply.body) < tc.reply {
				t.Errorf("an event of %d bytes and a reply of %d", len(c.event), len(c.reply.body))
			}
			var event struct {
				Body            string              `json:"body"`
				IsBase64Encoded bool                `json:"isBase64Encoded"`
				Path            string              `json:"path"`
				Method          string              `json:"httpMethod"`
				Query           map[string][]string `json:"multiValueQueryStringParameters"`
			}
			if err := json.Unmarshal(c.event, &event); err != nil {
				t.Fatal(err)
			}
			body := event.Body
			if event.IsBase64Encoded {
				decoded, _ := base64.StdEncoding.DecodeString(body)
				body = string(decoded)
			}
			target := event.Path
			if id := event.Query["id"]; len(id) == 1 {
				target += "?id=" + id[0]
			}
			if body != string(c.body) || target != c.target || event.Method != c.method {
				t.Errorf("the event asks for %s %s with %d bytes", event.Method, target, len(body))
			}
		})
	}
}

func TestCheck(t *testing.T) {
	c := call{reply: newReply("text/plain", []byte("a reply"))}
	for payload, fault := range map[string]string{
		`{"statusCode":200,"body":"a reply"}`:                             "",
		`{"statusCode":200,"body":"YSByZXBseQ==","isBase64Encoded":true}`: "",
		`{"statusCode":200,"body":"another"}`:                             "did not come back",
		`{"statusCode":502,"body":"a reply"}`:                             "answered 502",
		`{"statusCode":200,"body":"!","isBase64Encoded":true}`:            "not base64",
		`broken`: "not the JSON",
		"{\"statusCode\":200}\x00\x00\x00\x00\x00\x00\x00\x00a reply":       "",
		"{\"statusCode\":200}\x00\x00\x00\x00\x00\x00\x00\x00a repl":        "did not come back",
		"{\"statusCode\":200,\"body\":\"a reply\"}\x00\x00\x00\x00\x00\x00": "not the JSON",
	} {
		if err := c.check([]byte(payload)); fault == "" && err != nil || fault != "" && (err == nil || !strings.Contains(err.Error(), fault)) {
			t.Errorf("%s is checked with %v", payload, err)
		}
	}
}

func TestQuotaUnavailable(t *testing.T) {
	mount := t.TempDir()
	if _, err := newGroup(mount, "v1", map[string]string{"cpu.cfs_quota_us": "1400"}); err == nil {
		t.Error("a directory without a controller is taken for a cgroup")
	}
	if left, err := os.ReadDir(mount); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}
