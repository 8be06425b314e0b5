package token

import (
	"strings"
	"testing"
	"time"

	"omr-relay/internal/sensitive"
)

// TestBegins holds back every end of a text that could go on to become the
// token, and nothing else.
func TestBegins(t *testing.T) {
	jwt := "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiI0NzExIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
	for _, value := range []string{jwt, "opaque-and-short", "aaaaaaaa", "x.y", ".", "a"} {
		token := newToken(sensitive.New(value), time.Now(), time.Hour, 0)
		needle := value
		if value == jwt {
			needle = value[strings.IndexByte(value, '.'):]
		}
		for cut := range len(value) {
			for _, before := range []string{"", "text ", strings.Repeat(".", 100), needle[:len(needle)/2]} {
				text := before + value[:cut]
				want := 0
				for n := min(len(needle)-1, len(text)); n > 0 && want == 0; n-- {
					if strings.HasPrefix(needle, text[len(text)-n:]) {
						want = n
					}
				}
				if got := token.Begins([]byte(text)); got != want {
					t.Errorf("%q at the end of %q: %d bytes, want %d", value, text, got, want)
				}
			}
		}
	}
}
