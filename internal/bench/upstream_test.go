package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"omr-relay/internal/sandbox"
)

// client trusts the authority as a program would.
func client(t *testing.T, trust *authority) *http.Client {
	t.Helper()
	bundle, err := os.ReadFile(trust.bundle)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		t.Fatal("no certificate in the bundle")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestUpstream(t *testing.T) {
	trust, err := newAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for p, version := range map[protocol]string{plain: "HTTP/1.1", tls11: "HTTP/1.1", tls2: "HTTP/2.0"} {
		t.Run(string(p), func(t *testing.T) {
			up, err := newUpstream(p, trust, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = up.close() })
			caller := client(t, trust)
			token := mint(t, caller, up)

			c := call{method: "POST", target: "/v5.0/omr/x?a=b", body: noise(100_000), reply: newReply("text/plain", []byte("a reply"))}
			for name, tc := range map[string]struct{ target, body, token, fault string }{
				"as it should be":   {c.target, string(c.body), token, ""},
				"another path":      {"/v5.0/omr/y", string(c.body), token, "arrived as"},
				"a truncated body":  {c.target, string(c.body[1:]), token, "did not arrive"},
				"a changed body":    {c.target, "x" + string(c.body[1:]), token, "did not arrive"},
				"an invented token": {c.target, string(c.body), "invented", "did not carry a token"},
			} {
				up.expect(c.reply)
				if got := post(t, caller, up.url+tc.target, tc.token, tc.body); got != version+" a reply" {
					t.Errorf("%s: reply %q", name, got)
				}
				if err := up.verify(c); tc.fault == "" && err != nil || tc.fault != "" && (err == nil || !strings.Contains(err.Error(), tc.fault)) {
					t.Errorf("%s: verified with %v", name, err)
				}
			}
			up.expect(c.reply)
			if err := up.verify(c); err == nil {
				t.Error("no call is taken for one")
			}
			if up.mints() != 1 {
				t.Errorf("%d tokens minted, want 1", up.mints())
			}
		})
	}
}

func mint(t *testing.T, c *http.Client, up *upstream) string {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"},
		"client_id": {sandbox.DefaultClientID}, "client_secret": {sandbox.DefaultClientSecret}}.Encode()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, up.url+sandbox.TokenPath, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var grant struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&grant); err != nil {
		t.Fatal(err)
	}
	return grant.Token
}

func post(t *testing.T, c *http.Client, target, token, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var buffer [100]byte
	reply, err := readInto(buffer[:], resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Proto + " " + string(reply)
}
