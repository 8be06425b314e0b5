package sandbox

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

const (
	defaultLifetime = time.Hour

	// Credentials come from a secret of at most 64 KiB; percent-encoding can
	// triple that.
	maxTokenRequest = 256 << 10

	// The service bans a pair of credentials for banFor after so many answers of
	// 400 (https://docs.aspose.cloud/total/rate-limits/).
	deniedBeforeBan = 5
	banFor          = 10 * time.Minute
)

// TokenService stands in for the token endpoint: the OAuth 2.0 client
// credentials grant of RFC 6749 §4.4, served at [TokenPath]. It takes exactly
// the three form fields and refuses anything else with the errors of §5.2,
// which never repeat what was sent. A pair of credentials that earns five answers
// of 400 is banned as the service does it: 429 for ten minutes, for that pair alone.
// The zero value accepts no credentials.
type TokenService struct {
	Tap

	// Now tells the time; nil means time.Now. Only the wall clock counts.
	Now func() time.Time

	mu       sync.Mutex // guards what follows
	id, key  string
	anyone   bool
	lifetime time.Duration // 0: defaultLifetime
	reissue  bool
	valid    map[string]time.Time // token → expiry
	newest   string
	mints    int
	denials  map[[sha256.Size]byte]*denial // by digest of the pair
}

// denial is what counts against a pair of credentials.
type denial struct {
	answers int // of 400
	ends    time.Time
}

// Accept makes these the only credentials that are taken.
func (t *TokenService) Accept(clientID, clientSecret string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.id, t.key, t.anyone = clientID, clientSecret, false
}

// AcceptAny takes every pair of non-empty credentials, until the next
// [TokenService.Accept].
func (t *TokenService) AcceptAny() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.anyone = true
}

// SetLifetime sets how long tokens issued from now on are valid; 0 means an
// hour. expires_in is d in whole seconds, rounded down.
func (t *TokenService) SetLifetime(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lifetime = d
}

// SetReissue makes the service hand out its newest token again for as long as
// that is valid, with what is left in expires_in, as caching servers do. Such
// an answer is no mint.
func (t *TokenService) SetReissue(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reissue = on
}

// Mints returns how many tokens were issued.
func (t *TokenService) Mints() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mints
}

// Valid reports whether token was issued here, is not revoked and not expired.
func (t *TokenService) Valid(token string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now().Before(t.valid[token])
}

// Revoke ends one token.
func (t *TokenService) Revoke(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.valid, token)
}

// RevokeAll ends every token issued so far.
func (t *TokenService) RevokeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.valid)
}

func (t *TokenService) now() time.Time {
	if t.Now != nil {
		return t.Now().Round(0)
	}
	return time.Now().Round(0)
}

// oauthError is an error of RFC 6749 §5.2.
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// ServeHTTP implements [http.Handler].
func (t *TokenService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, body, err := t.receive(w, r, maxTokenRequest)
	if t.takenOver(w, r) {
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	if r.URL.Path != TokenPath {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		writeOAuthError(w, http.StatusMethodNotAllowed, oauthError{"invalid_request", "the method must be POST"})
		return
	}
	if err != nil {
		writeOAuthError(w, http.StatusBadRequest, oauthError{"invalid_request", "the body is too large or incomplete"})
		return
	}
	form, fault := parseGrant(r, body)
	pair := pairOf(body)
	if left := t.banned(pair); left > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((left+time.Second-1)/time.Second)))
		writeOAuthError(w, http.StatusTooManyRequests, oauthError{"invalid_client", "too many requests with these credentials"})
		return
	}
	if fault == nil && !t.accepts(form.Get("client_id"), form.Get("client_secret")) {
		fault = &oauthError{Code: "invalid_client"}
	}
	if fault != nil {
		t.deny(pair)
		writeOAuthError(w, http.StatusBadRequest, *fault)
		return
	}
	token, expiresIn := t.issue()
	writeJSON(w, http.StatusOK, "application/json; charset=UTF-8", struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
		TokenType   string `json:"token_type"`
	}{token, expiresIn, "Bearer"})
}

// parseGrant returns the three fields of a client credentials request, each
// present once and not empty.
func parseGrant(r *http.Request, body []byte) (url.Values, *oauthError) {
	invalid := func(why string) (url.Values, *oauthError) { return nil, &oauthError{"invalid_request", why} }

	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err != nil || mediaType != "application/x-www-form-urlencoded":
		return invalid("the content type must be application/x-www-form-urlencoded")
	case r.URL.RawQuery != "":
		return invalid("parameters belong in the body")
	case r.Header.Get("Authorization") != "":
		return invalid("credentials belong in the body alone")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return invalid("the body is not a valid form")
	}
	for name, values := range form {
		switch name {
		case "grant_type", "client_id", "client_secret":
		default:
			return invalid("a parameter is not supported")
		}
		if len(values) > 1 {
			return invalid("a parameter is repeated")
		}
	}
	switch form.Get("grant_type") {
	case "":
		return invalid("grant_type is missing")
	case "client_credentials":
	default:
		return nil, &oauthError{Code: "unsupported_grant_type"}
	}
	// §5.2 counts missing client authentication as invalid_client.
	if form.Get("client_id") == "" || form.Get("client_secret") == "" {
		return nil, &oauthError{"invalid_client", "client_id and client_secret are required"}
	}
	return form, nil
}

// pairOf returns a digest of the credentials that a form has, whatever else is
// wrong with it, and nil if it has none.
func pairOf(body []byte) *[sha256.Size]byte {
	form, _ := url.ParseQuery(string(body))
	id, key := form.Get("client_id"), form.Get("client_secret")
	if id == "" && key == "" {
		return nil
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(id), id, key))
	return &sum
}

// banned returns for how much longer a pair is banned.
func (t *TokenService) banned(pair *[sha256.Size]byte) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if pair == nil || t.denials[*pair] == nil {
		return 0
	}
	d := t.denials[*pair]
	left := d.ends.Sub(t.now())
	if left <= 0 && d.answers >= deniedBeforeBan {
		delete(t.denials, *pair) // it has served its time
	}
	return max(left, 0)
}

// deny counts an answer of 400.
func (t *TokenService) deny(pair *[sha256.Size]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if pair == nil {
		return
	}
	if t.denials == nil {
		t.denials = map[[sha256.Size]byte]*denial{}
	}
	if t.denials[*pair] == nil {
		t.denials[*pair] = &denial{}
	}
	d := t.denials[*pair]
	if d.answers++; d.answers >= deniedBeforeBan {
		d.ends = t.now().Add(banFor)
	}
}

func (t *TokenService) accepts(clientID, clientSecret string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.anyone || clientID == t.id && clientSecret == t.key
}

func (t *TokenService) issue() (token string, expiresIn int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if left := t.valid[t.newest].Sub(now); t.reissue && left > 0 {
		return t.newest, int64(left / time.Second)
	}
	for old, expiry := range t.valid {
		if !now.Before(expiry) {
			delete(t.valid, old)
		}
	}
	lifetime := t.lifetime
	if lifetime == 0 {
		lifetime = defaultLifetime
	}
	t.newest = newJWT(now, now.Add(lifetime))
	if t.valid == nil {
		t.valid = map[string]time.Time{}
	}
	t.valid[t.newest] = now.Add(lifetime)
	t.mints++
	return t.newest, int64(lifetime / time.Second)
}

// newJWT has the shape of a JWT and a random third part: nothing verifies it,
// but it must be as unguessable as a signature.
func newJWT(issued, expires time.Time) string {
	payload, err := json.Marshal(struct {
		Issuer  string `json:"iss"`
		Issued  int64  `json:"iat"`
		Expires int64  `json:"exp"`
		ID      string `json:"jti"`
	}{"omr-relay sandbox", issued.Unix(), expires.Unix(), newGUID()})
	if err != nil {
		panic(err) // strings and integers always marshal
	}
	var signature [32]byte
	_, _ = rand.Read(signature[:]) // documented never to fail
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + encode(payload) + "." + encode(signature[:])
}

func writeOAuthError(w http.ResponseWriter, status int, e oauthError) {
	writeJSON(w, status, "application/json; charset=UTF-8", e)
}
