package faultmatrix

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"omr-relay/internal/sandbox"
)

// secretID names the secret.
const secretID = "omr-relay/faults"

// world is what the three services know when all is well.
type world struct {
	secrets sandbox.SecretsManager

	mu       sync.Mutex // guards what follows
	serial   int        // of the newest token
	revoked  int        // tokens up to this one are rejected
	lifetime int        // of new tokens, in seconds
}

func newWorld() *world {
	w := &world{lifetime: 3600}
	text, _ := json.Marshal(map[string]string{"client_id": clientID, "client_secret": clientSecret})
	w.secrets.Put(secretID, string(text))
	return w
}

// lives sets the lifetime of new tokens.
func (w *world) lives(seconds int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lifetime = seconds
}

// revoke has the upstream reject every token there is.
func (w *world) revoke() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.revoked = w.serial
}

// end has the upstream reject the token that r came with, and those before it.
func (w *world) end(r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n, ok := serial(r); ok {
		w.revoked = max(w.revoked, n)
	}
}

// mint is the token endpoint.
func (w *world) mint(rw http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil || r.Method != http.MethodPost || r.PostForm.Get("grant_type") != "client_credentials" ||
		r.PostForm.Get("client_id") != clientID || r.PostForm.Get("client_secret") != clientSecret {
		rw.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(rw, `{"error":"invalid_client"}`)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.serial++
	rw.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(rw, `{"access_token":"%s%d","expires_in":%d,"token_type":"Bearer"}`, accessToken, w.serial, w.lifetime)
}

// echo is the upstream: it says which call it answers.
func (w *world) echo(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/" {
		_, _ = io.WriteString(rw, `{"status":"ok"}`)
		return
	}
	if !w.accepts(r) {
		rw.WriteHeader(http.StatusUnauthorized)
		return
	}
	_, _ = rw.Write(echoed(r.Method, r.URL.Query().Get("id")))
}

// accepts reports whether a call has a token that was issued and not revoked.
func (w *world) accepts(r *http.Request) bool {
	n, ok := serial(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	return ok && n > w.revoked && n <= w.serial
}

// serial is the number of the token that r came with.
func serial(r *http.Request) (n int, ok bool) {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "+accessToken)
	n, err := strconv.Atoi(text)
	return n, ok && err == nil
}

// echoed is the right answer to a call.
func echoed(method, id string) []byte {
	text, _ := json.Marshal(map[string]string{"id": id, "method": method, "result": result})
	return text
}
