package faultmatrix

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"omr-relay/internal/lambdaruntime/lambdaruntimetest"
	"omr-relay/internal/sandbox"
)

// bootstrap builds the function once: with the race detector if this test has it,
// which saves compiling everything once more.
var bootstrap = sync.OnceValues(func() (string, error) {
	path := filepath.Join(scratch, "bootstrap")
	return path, lambdaruntimetest.Build("../..", path, raceDetector)
})

// startFunction runs the function until the test ends and returns the Runtime
// API that it polls, and what it writes.
func startFunction(t *testing.T, env ...string) (*lambdaruntimetest.Server, *output) {
	t.Helper()
	path, err := bootstrap()
	if err != nil {
		t.Fatal(err)
	}
	api, err := lambdaruntimetest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Close() })
	cmd := exec.CommandContext(t.Context(), path)
	cmd.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + api.Addr(), "AWS_LAMBDA_FUNCTION_NAME=omr-relay", "AWS_REGION=eu-west-1",
		"AWS_ACCESS_KEY_ID=AKIAFAULTS", "AWS_SECRET_ACCESS_KEY=" + awsSecretKey, "AWS_SESSION_TOKEN=" + awsSession,
	}, env...)
	out := &output{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		text := out.bytes()
		if bytes.Contains(text, []byte("DATA RACE")) {
			t.Errorf("the race detector found:\n%s", text)
		}
		if leak := canaries.find(text); leak != "" {
			t.Errorf("the function shows %s:\n%s", leak, text)
		}
	})
	return api, out
}

// TestFunctionConcurrency drives the built function with as many invocations at
// a time as it is told to take, while tokens expire, are revoked and the secret
// rotates. OMR_FUNCTION=1m makes it longer.
func TestFunctionConcurrency(t *testing.T) {
	lasts := duration(t, "OMR_FUNCTION", 2500*time.Millisecond)
	const lifetime = 2 * time.Second
	box, err := sandbox.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	box.Token.SetLifetime(lifetime)
	up := &processed{valid: box.Token.Valid, posts: map[string]int{}, tokens: map[string]bool{}}
	box.Aspose.Respond(up.answer)
	api, out := startFunction(t, fmt.Sprint("AWS_LAMBDA_MAX_CONCURRENCY=", callers),
		"AWS_ENDPOINT_URL_SECRETS_MANAGER="+box.SecretsURL(), "OMR_SECRET_ID="+sandbox.DefaultSecretID, "OMR_BASE_URL="+box.URL())

	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	var running sync.WaitGroup
	for n := range callers {
		running.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				kind := []string{http.MethodGet, http.MethodPost, http.MethodDelete}[i%3]
				up.invoke(t, api, kind, fmt.Sprintf("%d-%d", n, i))
			}
		})
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	revocations := 0
	for ctx.Err() == nil {
		select {
		case <-ticker.C:
			if revocations++; revocations%2 == 0 {
				box.Rotate(fmt.Sprint("client ", revocations), fmt.Sprint("secret ", revocations))
			}
			up.revoke(box.Token)
		case <-ctx.Done():
		}
	}
	running.Wait()

	up.mu.Lock()
	defer up.mu.Unlock()
	for id, n := range up.posts {
		if n != 1 {
			t.Errorf("the POST %s was processed %d times", id, n)
		}
	}
	if up.most < callers/2 {
		t.Errorf("%d calls at a time at most, of %d", up.most, callers)
	}
	// Two more, for refreshes that were under way when tokens were revoked.
	limit := 2 + revocations + int(lasts/(lifetime*3/4))
	if mints := box.Token.Mints(); mints > limit {
		t.Errorf("%d tokens, for %d revocations in %s no more than %d were called for", mints, revocations, lasts, limit)
	}
	if text := out.bytes(); bytes.Contains(text, []byte(sandbox.DefaultClientSecret)) || bytes.Contains(text, []byte("eyJ")) {
		t.Error("the log shows a secret")
	}
	t.Logf("%s: %d calls, %d at a time, %d tokens, %d revocations", lasts, up.calls, up.most, box.Token.Mints(), revocations)
}

// processed is an upstream that remembers what it did.
type processed struct {
	valid func(token string) bool

	mu        sync.Mutex // guards what follows
	posts     map[string]int
	tokens    map[string]bool // that were good, and are not known to be revoked
	calls     int
	now, most int // calls at a time
}

// revoke ends the tokens that calls came with. One that is on its way to the function
// stays good: a call that waits for it was sent back once already, and would fail.
func (p *processed) revoke(service *sandbox.TokenService) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for token := range p.tokens {
		service.Revoke(token)
	}
	clear(p.tokens)
}

func (p *processed) answer(w http.ResponseWriter, r *http.Request) bool {
	id := r.URL.Query().Get("id")
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !p.valid(token) {
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	p.mu.Lock()
	p.tokens[token] = true
	p.calls++
	p.now++
	p.most = max(p.most, p.now)
	if r.Method == http.MethodPost {
		p.posts[id]++
	}
	p.mu.Unlock()
	timer := time.NewTimer(20 * time.Millisecond) // so that calls overlap
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
	p.mu.Lock()
	p.now--
	p.mu.Unlock()
	_, _ = w.Write(echoed(r.Method, id))
	return true
}

func (p *processed) invoke(t *testing.T, api *lambdaruntimetest.Server, kind, id string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	result, err := api.Invoke(ctx, event(kind, id), 20*time.Second)
	if err != nil {
		t.Error(err)
		return
	}
	var answer struct {
		StatusCode int
		Body       string
	}
	if err := json.Unmarshal(result.Payload, &answer); err != nil || result.Failed || answer.StatusCode != http.StatusOK ||
		answer.Body != string(echoed(kind, id)) {
		t.Errorf("%s %s: answered %s, %v", kind, id, result.Payload, err)
	}
}

// TestFunctionQuotesNothing has the token endpoint and the upstream send more
// than they said: net/http tells the standard logger of it, and quotes it.
func TestFunctionQuotesNothing(t *testing.T) {
	r := newRig(t, "", http1, nil)
	var env []string
	for name, s := range map[string]*service{
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": r.services[hops[0]], "OMR_TOKEN_URL": r.services[hops[1]], "OMR_BASE_URL": r.services[hops[2]],
	} {
		s.babble = clientID + clientSecret + accessToken + result
		s.fail(&surplus)
		env = append(env, name+"="+s.url())
	}
	api, out := startFunction(t, append(env, "OMR_SECRET_ID="+secretID)...)
	for i := range 3 {
		// What is answered is the matrix' affair: here a call may go out on the
		// connection of the one before, on which the server says no more.
		ctx, cancel := context.WithTimeout(t.Context(), patient)
		if _, err := api.Invoke(ctx, event(http.MethodPost, strconv.Itoa(i)), hanging); err != nil {
			t.Error(err)
		}
		cancel()
	}
	// The connection's own goroutine writes the line, when it comes to it.
	deadline := time.Now().Add(10 * time.Second)
	for !bytes.Contains(out.bytes(), []byte("Unsolicited response")) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing to be quoted was met:\n%s", out.bytes())
		}
		<-time.After(5 * time.Millisecond)
	}
	if leak := results.find(out.bytes()); leak != "" {
		t.Errorf("the function shows %s:\n%s", leak, out.bytes())
	}
}
