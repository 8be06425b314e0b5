package token_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/problem"
	"omr-relay/internal/sandbox"
	"omr-relay/internal/sensitive"
	"omr-relay/internal/token"
	"omr-relay/secrets"
)

const (
	baseURL = "https://upstream.test"
	// lifetime is what the stand-in gives its tokens unless it is told otherwise.
	lifetime = time.Hour
	// budget is an invocation's time.
	budget = 29 * time.Second
)

// rig is the whole token path without a socket, so that it can run in a bubble.
type rig struct {
	*sandbox.Sandbox
	vault     *vault
	cache     *token.Cache
	transport *token.Transport
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{Sandbox: sandbox.New(), vault: &vault{}}
	r.vault.put("v1", sandbox.DefaultClientID, sandbox.DefaultClientSecret)
	r.use(t, sandbox.InProcess(r.Upstream()))
	return r
}

// use starts over with an empty cache on another transport.
func (r *rig) use(t *testing.T, transport http.RoundTripper) {
	t.Helper()
	r.cache = token.NewCache(token.Config{Source: r.vault, Endpoint: r.endpoint(t), Transport: transport})
	r.transport = &token.Transport{Base: transport, Cache: r.cache}
}

func (*rig) endpoint(t *testing.T) *url.URL {
	t.Helper()
	endpoint, err := url.Parse(baseURL + sandbox.TokenPath)
	if err != nil {
		t.Fatal(err)
	}
	return endpoint
}

// get asks for a token as an invocation with the given time left does.
func (r *rig) get(t *testing.T, left time.Duration) (*token.Token, callrecord.Outcome, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), left)
	defer cancel()
	return r.cache.Token(ctx)
}

// mustGet is get within the usual budget, where a token has to come.
func (r *rig) mustGet(t *testing.T) *token.Token {
	t.Helper()
	tok, _, err := r.get(t, budget)
	if err != nil {
		t.Fatalf("no token: %v", err)
	}
	return tok
}

// left returns how long the token lives that the cache now has or mints.
func (r *rig) left(t *testing.T) time.Duration {
	t.Helper()
	left, err := r.cache.Ensure(t.Context(), 0)
	if err != nil {
		t.Fatalf("no token: %v", err)
	}
	return left
}

// call relays one request as the handler does, closing the answer.
func (r *rig) call(t *testing.T) (int, *callrecord.Record, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), budget)
	defer cancel()
	ctx, record := callrecord.With(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		baseURL+"/v5.0/omr/RecognizeTemplate/GetRecognizeTemplate?id=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	status, err := roundTrip(r.transport, req)
	return status, record, err
}

// mustCall is call where the upstream has to answer 200.
func (r *rig) mustCall(t *testing.T) *callrecord.Record {
	t.Helper()
	status, record, err := r.call(t)
	if err != nil || status != http.StatusOK {
		t.Fatalf("the call brought %d, %v", status, err)
	}
	return record
}

func roundTrip(rt http.RoundTripper, req *http.Request) (int, error) {
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// onlyValid fails the test when a token reaches the upstream that is not valid
// there. The stand-in's own expiry is never earlier than the relay's.
func (r *rig) onlyValid(t *testing.T) {
	t.Helper()
	r.Aspose.Respond(func(_ http.ResponseWriter, req *http.Request) bool {
		if !r.Token.Valid(bearer(req.Header)) {
			t.Errorf("%v: a token that is not valid was sent", time.Now())
		}
		return false
	})
}

func bearer(h http.Header) string {
	const scheme = "Bearer "
	value := h.Get("Authorization")
	if len(value) < len(scheme) {
		return ""
	}
	return value[len(scheme):]
}

// answers has the token service answer its next requests with these, in
// order; after them it is itself again.
func (r *rig) answers(next ...http.HandlerFunc) {
	var mu sync.Mutex // guards next
	r.Token.Respond(func(w http.ResponseWriter, req *http.Request) bool {
		mu.Lock()
		if len(next) == 0 {
			mu.Unlock()
			return false
		}
		answer := next[0]
		next = next[1:]
		mu.Unlock()
		answer(w, req)
		return true
	})
}

// always has the token service give this answer to every request.
func (r *rig) always(answer http.HandlerFunc) {
	r.Token.Respond(func(w http.ResponseWriter, req *http.Request) bool {
		answer(w, req)
		return true
	})
}

// slow has the token service take its time, as long as the client does.
func (r *rig) slow(d time.Duration) {
	r.Token.Respond(func(_ http.ResponseWriter, req *http.Request) bool {
		pause(req.Context(), d)
		return false
	})
}

// status answers with a status, headers in pairs, and a body.
func status(code int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

func ok(body string) http.HandlerFunc { return status(http.StatusOK, body) }

// broken breaks the connection.
func broken(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// hung never answers.
func hung(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

const invalidClient = `{"error":"invalid_client"}`

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// wantFault checks the code and the advice of an error.
func wantFault(t *testing.T, err error, code problem.Code, retryAfter time.Duration) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", code)
	}
	if e := problem.From(err); e.Code != code || e.RetryAfter != retryAfter {
		t.Fatalf("got %q, to be tried again after %v; want %s after %v", err, e.RetryAfter, code, retryAfter)
	}
}

// want compares a figure.
func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// vault is a [token.Source] whose secret the test turns over.
type vault struct {
	mu      sync.Mutex // guards what follows
	current secrets.Credentials
	err     error
	hook    func(ctx context.Context)
	gets    int
}

func (v *vault) Get(ctx context.Context) (secrets.Credentials, error) {
	v.mu.Lock()
	v.gets++
	hook := v.hook
	v.mu.Unlock()
	if hook != nil {
		hook(ctx)
	}
	if err := ctx.Err(); err != nil {
		return secrets.Credentials{}, &secrets.Error{Kind: secrets.Unavailable, Err: err}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.current, v.err
}

func (v *vault) put(version, id, secret string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.current = secrets.Credentials{ClientID: sensitive.New(id), ClientSecret: sensitive.New(secret), Version: version}
}

func (v *vault) fail(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.err = err
}

// before has every read run hook first.
func (v *vault) before(hook func(ctx context.Context)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.hook = hook
}

func (v *vault) reads() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.gets
}
