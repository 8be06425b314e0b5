package sandbox_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"omr-relay/internal/sandbox"
)

func start(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	s, err := sandbox.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// call sends one request and returns the answer with its body read.
func call(t *testing.T, rt http.RoundTripper, method, target, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(data)
}

func grant(id, secret string) string {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}.Encode()
}

const form = "application/x-www-form-urlencoded"

// mint gets a token over HTTP and fails the test if it is refused.
func mint(t *testing.T, rt http.RoundTripper, base, id, secret string) (token string, expiresIn int) {
	t.Helper()
	resp, body := call(t, rt, http.MethodPost, base+sandbox.TokenPath, grant(id, secret), "Content-Type", form)
	var answer struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
		TokenType   string `json:"token_type"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if resp.StatusCode != http.StatusOK || answer.TokenType != "Bearer" || answer.AccessToken == "" {
		t.Fatalf("token answer: %d %s", resp.StatusCode, body)
	}
	return answer.AccessToken, answer.ExpiresIn
}

// The whole chain over real sockets: secret, token, upstream; then a rotation.
func TestSandboxEndToEnd(t *testing.T) {
	s := start(t)
	client := secretsmanager.NewFromConfig(s.AWSConfig())
	read := func() (id, secret string) {
		out, err := client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(sandbox.DefaultSecretID)})
		if err != nil {
			t.Fatal(err)
		}
		var value struct {
			ID     string `json:"client_id"`
			Secret string `json:"client_secret"`
		}
		if err := json.Unmarshal([]byte(*out.SecretString), &value); err != nil {
			t.Fatal(err)
		}
		return value.ID, value.Secret
	}

	id, secret := read()
	if id != sandbox.DefaultClientID || secret != sandbox.DefaultClientSecret {
		t.Fatalf("secret holds %q, %q", id, secret)
	}
	token, expiresIn := mint(t, http.DefaultTransport, s.URL(), id, secret)
	if expiresIn != 3600 {
		t.Errorf("expires_in = %d, want 3600", expiresIn)
	}
	resp, guid := call(t, http.DefaultTransport, http.MethodPost, s.URL()+"/v5.0/omr/recognize",
		`{"Images":["AAAA"],"omrFile":"AAAA"}`, "Authorization", "Bearer "+token, "Content-Type", "application/json")
	if resp.StatusCode != http.StatusOK || len(guid) != 36 {
		t.Errorf("recognize: %d %q", resp.StatusCode, guid)
	}

	s.Rotate("second", "new")
	if resp, _ := call(t, http.DefaultTransport, http.MethodPost, s.TokenURL(), grant(id, secret), "Content-Type", form); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("old credentials after rotation: %d, want 400", resp.StatusCode)
	}
	if !s.Token.Valid(token) {
		t.Error("rotation ended a token")
	}
	id, secret = read()
	mint(t, http.DefaultTransport, s.URL(), id, secret)
}

func TestCloseFreesHandlersAndPorts(t *testing.T) {
	s, err := sandbox.Start()
	if err != nil {
		t.Fatal(err)
	}
	entered := make(chan struct{})
	s.Aspose.Respond(func(_ http.ResponseWriter, r *http.Request) bool {
		close(entered)
		<-r.Context().Done()
		return true
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if resp, err := http.Get(s.URL() + "/"); err == nil {
			resp.Body.Close()
			t.Error("a closed sandbox answered")
		}
	})
	<-entered
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if conn, err := net.Dial("tcp", strings.TrimPrefix(s.SecretsURL(), "http://")); err == nil {
		conn.Close()
		t.Error("the port still accepts connections")
	}
}

func TestTapRecordsWhatArrivedOnTheWire(t *testing.T) {
	s := start(t)
	s.Aspose.Record(2)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const target = "/v3.0//omr/../a%2Fb/%7e?b=%20&a&"
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		if _, err := io.WriteString(conn, method+" "+target+" HTTP/1.1\r\nHost: sandbox\r\nX-Test: one\r\nX-Test: two\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("status %d, want 401 and no redirect", resp.StatusCode)
		}
	}
	seen := s.Aspose.Requests()
	if s.Aspose.Count() != 3 || len(seen) != 2 || seen[0].Method != "PUT" || seen[1].Method != "DELETE" {
		t.Fatalf("count %d, kept %+v; want 3 and the last two", s.Aspose.Count(), seen)
	}
	got := seen[1]
	if got.Target != target || got.Host != "sandbox" || string(got.Body) != "{}" || strings.Join(got.Header["X-Test"], ",") != "one,two" {
		t.Errorf("recorded %+v", got)
	}
	s.Aspose.Record(0)
	if len(s.Aspose.Requests()) != 0 {
		t.Error("Record(0) kept requests")
	}
}

func TestTapRespondTakesOverOrPassesOn(t *testing.T) {
	a := &sandbox.Aspose{}
	rt := sandbox.InProcess(a)
	a.Respond(func(w http.ResponseWriter, r *http.Request) bool {
		body, _ := io.ReadAll(r.Body)
		if string(body) != "mine" {
			return false
		}
		w.WriteHeader(http.StatusTeapot)
		return true
	})
	if resp, _ := call(t, rt, "POST", "http://x/v5.0/omr/recognize", "mine"); resp.StatusCode != http.StatusTeapot {
		t.Errorf("hook's answer: %d, want 418", resp.StatusCode)
	}
	resp, guid := call(t, rt, "POST", "http://x/v5.0/omr/recognize", `{"images":["AAAA"],"omrFile":"AAAA"}`,
		"Authorization", "Bearer any", "Content-Type", "application/json")
	if resp.StatusCode != http.StatusOK || len(guid) != 36 {
		t.Errorf("passed on: %d %q; the body must still be readable", resp.StatusCode, guid)
	}
	a.Respond(nil)
	if resp, _ := call(t, rt, "POST", "http://x/", "mine"); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without the hook: %d, want 401", resp.StatusCode)
	}
}

func TestInProcessFollowsContextAndAborts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sandbox.New()
		s.Token.Respond(func(_ http.ResponseWriter, r *http.Request) bool {
			<-r.Context().Done()
			return true
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://x"+sandbox.TokenPath, nil)
		if _, err := sandbox.InProcess(s.Upstream()).RoundTrip(req); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v, want the deadline's", err)
		}
	})
	abort := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/", nil)
	if _, err := sandbox.InProcess(abort).RoundTrip(req); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("err = %v, want a broken connection", err)
	}
}
