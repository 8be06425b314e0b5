package token

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"
)

const (
	anOpaque = "opaque-1-abcdefghijklmnop" // 25 characters
	aSecond  = "0pAqUe-2-qrstuvwxyz9876543210-ABCDEF"
	aShort   = "short-token"
	aShorter = "tok_1"
)

var aSignature = strings.Repeat("x7Q_", 3) + "c2lnbmF0dXJlLXNpZ25hdHVyZS1zaWduYXR1cmU" + strings.Repeat("x7Q-", 5)

func aJWT() string { return "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiI0NzExIn0." + aSignature }

// secretOf is what of a token may not be seen.
func secretOf(token string) string {
	if token == aJWT() {
		return aSignature
	}
	return token
}

// shows is in, as one would write it: every run of characters that counts is
// looked for.
func shows(text, token string) bool {
	secret := secretOf(token)
	n := min(24, len(secret))
	for i := 0; i+n <= len(secret); i++ {
		if strings.Contains(text, secret[i:i+n]) {
			return true
		}
	}
	return false
}

// mayBegin is begins, as one would write it.
func mayBegin(text, token string) int {
	secret := secretOf(token)
	n := min(24, len(secret))
	for k := min(n-1, len(text)); k > 0; k-- {
		for i := 0; i+n <= len(secret); i++ {
			if secret[i:i+k] == text[len(text)-k:] {
				return k
			}
		}
	}
	return 0
}

var someTokens = []string{aJWT(), anOpaque, aSecond, aShort, aShorter, strings.Repeat("a", 40), "a.b.c", "....", aJWT()[:40]}

// TestEcho: every run of 24 characters of this token or of the one before is
// found wherever it stands, 23 are not.
func TestLesson12_EchoOfATokenIsFound(t *testing.T) {
	noise := []byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("some scanned form \x00\xff"), 9)))
	for _, token := range someTokens {
		for _, e := range []*echo{newEcho(token), newEcho("another-token-of-no-concern-here", token)} {
			secret := secretOf(token)
			n := min(24, len(secret))
			for i := 0; i+n <= len(secret); i++ {
				for before := range 20 {
					text := append(append(bytes.Clone(noise[:before+50]), secret[i:i+n]...), noise[:30]...)
					if !e.in(text) {
						t.Fatalf("%q at %d is not found", secret[i:i+n], before+50)
					}
					cut := append(append(append(bytes.Clone(noise[:before+50]), secret[i:i+n-1]...), '\n'), noise[:30]...)
					if want := shows(string(cut), token); e.in(cut) != want {
						t.Fatalf("one character less, %q: found %v", secret[i:i+n-1], !want)
					}
				}
			}
		}
	}
}

// Two characters cannot be told from any text.
func TestTokenTooShortToBeLookedFor(t *testing.T) {
	if newEcho("abc").in([]byte("abc")) || newEcho("").in([]byte("abc")) {
		t.Error("found")
	}
}

// TestBegins holds back every end of a text that could go on to become an echo,
// and nothing else.
func TestBegins(t *testing.T) {
	for _, token := range someTokens {
		e := newEcho(token)
		for from := range len(token) {
			for to := from; to <= min(from+30, len(token)); to++ {
				for _, before := range []string{"", "text ", strings.Repeat(".", 30), token[:len(token)/2]} {
					text := before + token[from:to]
					if got, want := e.begins([]byte(text)), mayBegin(text, token); got != want {
						t.Fatalf("%q at the end of %q: %d bytes, want %d", token, text, got, want)
					}
				}
			}
		}
	}
}

// FuzzEcho holds the fast search to the plain one.
func FuzzEcho(f *testing.F) {
	for i, token := range someTokens {
		f.Add(token, someTokens[(i+1)%len(someTokens)], []byte("before "+token[len(token)/2:]+token), uint8(3))
	}
	f.Fuzz(func(t *testing.T, token, before string, text []byte, at uint8) {
		if len(token) < minSecret || len(before) < minSecret || strings.Count(token, ".") == 2 || strings.Count(before, ".") == 2 {
			return
		}
		e := newEcho(token, before)
		if n := len(token); n > int(at) { // fuzzing would hardly come upon it by itself
			text = append(text, token[at:]...)
		}
		if got, want := e.in(text), shows(string(text), token) || shows(string(text), before); got != want {
			t.Errorf("%q or %q in %q: %v", token, before, text, got)
		}
		if got, want := e.begins(text), max(mayBegin(string(text), token), mayBegin(string(text), before)); got != want {
			t.Errorf("%q or %q at the end of %q: %d, want %d", token, before, text, got, want)
		}
	})
}

// BenchmarkEcho searches 1 MB of base64 for two tokens with signatures of RS256.
func BenchmarkEcho(b *testing.B) {
	r := rand.NewChaCha8([32]byte{1})
	signed := func() string {
		signature := make([]byte, 256)
		_, _ = r.Read(signature)
		return "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiI0NzExIn0." + base64.RawURLEncoding.EncodeToString(signature)
	}
	e := newEcho(signed(), signed())
	image := make([]byte, 3<<18)
	_, _ = r.Read(image)
	text := []byte(base64.StdEncoding.EncodeToString(image))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if e.in(text) || e.begins(text) > 5 {
			b.Fatal("found")
		}
	}
}
