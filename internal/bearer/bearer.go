// Package bearer knows what a Bearer token may look like.
package bearer

import "strings"

// Valid reports whether s is a b64token (RFC 6750 §2.1) without regard to where
// its padding stands: whatever else there may be, it could not stand in an
// Authorization header.
func Valid(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		alnum := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !alnum && !strings.ContainsRune("-._~+/=", r)
	})
}
