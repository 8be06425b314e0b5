// Package apikey is what callers show: an API key of API Gateway's, sent as a
// Bearer token. Whether the key is any good is API Gateway's to say, which holds
// the keys and their usage plans.
//
//	authorizer.go     which key a call carries
//	tokenendpoint.go  the OAuth 2 endpoint that hands a key back as a token
//	key.go            what a key looks like, the one rule for both
package apikey

import (
	"net/http"
	"strings"

	"omr-relay/internal/bearer"
)

// Valid reports whether s can be an API key: API Gateway's have 20 to 128
// characters, and of those only what may stand in a header counts.
func Valid(s string) bool { return len(s) >= 20 && len(s) <= 128 && bearer.Valid(s) }

// FromHeader returns the key that a request carries in its one Authorization
// header (RFC 6750 §2.1), whatever the case of the header's name. Two headers
// hold none: nobody could say which counts.
func FromHeader(headers http.Header) (string, bool) {
	value, ok := authorization(headers)
	if !ok {
		return "", false
	}
	scheme, key, _ := strings.Cut(value, " ")
	key = strings.Trim(key, " ")
	return key, strings.EqualFold(scheme, "Bearer") && Valid(key)
}

// authorization returns the one value of Authorization.
func authorization(headers http.Header) (string, bool) {
	var values []string
	for name, v := range headers {
		if strings.EqualFold(name, "Authorization") {
			values = append(values, v...)
		}
	}
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}
