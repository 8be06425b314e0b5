package apikey

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
)

// maxForm is far more than a token request has.
const maxForm = 16 << 10

// tokenLifetime is what clients are told, in seconds. The key behind the token
// has no such end; an hour is what they know from the upstream.
const tokenLifetime = 3600

// Exchange answers a request of the client-credentials grant (RFC 6749 §4.4), for
// clients that know no other way to authenticate: what they send as client_secret
// is their API key, and they get it back as their access token. Nothing is looked
// up and nothing is called; whether the key is good is decided by API Gateway,
// when they use it. The answer never holds more than the key itself.
func Exchange(request http.Header, body []byte) (status int, header http.Header, text []byte) {
	// It never lands in a cache (RFC 6749 §5.1).
	header = http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}, "Pragma": {"no-cache"}}
	key, failure := requestedKey(request, body)
	if failure == nil {
		text, _ = json.Marshal(struct { //nolint:gosec // the caller gets its own key back
			AccessToken string `json:"access_token"`
			TokenType   string `json:"token_type"`
			ExpiresIn   int    `json:"expires_in"`
		}{key, "Bearer", tokenLifetime})
		return http.StatusOK, header, text
	}
	status = http.StatusBadRequest
	if failure.Code == invalidClient && triedBasic(request) {
		// RFC 6749 §5.2: a client that tried an authentication scheme is told
		// which one is wanted.
		status = http.StatusUnauthorized
		header.Set("WWW-Authenticate", `Basic realm="omr-relay"`)
	}
	text, _ = json.Marshal(failure) // two constants
	return status, header, text
}

// oauthError is an error of the token endpoint (RFC 6749 §5.2).
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

const (
	invalidRequest       = "invalid_request"
	invalidClient        = "invalid_client"
	unsupportedGrantType = "unsupported_grant_type"
)

// requestedKey reads the key out of a token request. The error's texts are
// constant.
func requestedKey(request http.Header, body []byte) (string, *oauthError) {
	fields, ok := formFields(request, body)
	switch {
	case !ok:
		return "", &oauthError{invalidRequest, "Send grant_type, client_id and client_secret once each, as a form."}
	case fields["grant_type"] == "":
		return "", &oauthError{invalidRequest, "grant_type is missing."}
	case fields["grant_type"] != "client_credentials":
		return "", &oauthError{unsupportedGrantType, "Only client_credentials is supported."}
	}
	id, secret := fields["client_id"], fields["client_secret"]
	if triedBasic(request) {
		if secret != "" {
			return "", &oauthError{invalidRequest, "Authenticate by the header or by client_secret, not by both."}
		}
		user, password, ok := basic(request)
		if !ok {
			return "", &oauthError{invalidClient, "Authorization is not that of HTTP Basic authentication."}
		}
		if id != "" && id != user {
			return "", &oauthError{invalidRequest, "client_id is another than the header's."}
		}
		id, secret = user, password
	}
	switch {
	case id == "":
		return "", &oauthError{invalidRequest, "client_id is missing; it is the caller's label."}
	case secret == "":
		return "", &oauthError{invalidRequest, "client_secret is missing; it is the caller's API key."}
	case !Valid(secret):
		return "", &oauthError{invalidClient, "client_secret is not an API key, which has 20 to 128 characters."}
	}
	return secret, nil
}

// triedBasic reports whether the client authenticates by a header. Clients that
// send the token they have along with the form do not.
func triedBasic(request http.Header) bool {
	for name, values := range request {
		for _, value := range values {
			scheme, _, _ := strings.Cut(value, " ")
			if strings.EqualFold(name, "Authorization") && strings.EqualFold(scheme, "Basic") {
				return true
			}
		}
	}
	return false
}

// basic reads the client's id and secret from HTTP Basic authentication, where
// each is form-urlencoded first (RFC 6749 §2.3.1).
func basic(request http.Header) (id, secret string, ok bool) {
	value, ok := authorization(request)
	if !ok {
		return "", "", false
	}
	_, encoded, _ := strings.Cut(value, " ")
	pair, err := base64.StdEncoding.DecodeString(strings.Trim(encoded, " "))
	if err != nil {
		return "", "", false
	}
	id, secret, ok = strings.Cut(string(pair), ":")
	return unescaped(id), unescaped(secret), ok
}

// unescaped also takes what was not encoded. A plus stays one: a key may have it,
// and has no space.
func unescaped(value string) string {
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value
}

// formFields reads the form, in any of the ways that the SDKs write it.
func formFields(request http.Header, body []byte) (map[string]string, bool) {
	if len(body) > maxForm {
		return nil, false
	}
	kind, params, err := mime.ParseMediaType(request.Get("Content-Type"))
	switch {
	case request.Get("Content-Type") == "", err == nil && kind == "application/x-www-form-urlencoded":
		return urlencodedFields(string(body))
	case err == nil && kind == "multipart/form-data":
		return multipartFields(body, params["boundary"])
	default:
		return nil, false
	}
}

func urlencodedFields(form string) (map[string]string, bool) {
	fields := map[string]string{}
	for pair := range strings.SplitSeq(form, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		if _, twice := fields[name]; twice {
			return nil, false
		}
		fields[name] = unescaped(value)
	}
	return fields, true
}

func multipartFields(body []byte, boundary string) (map[string]string, bool) {
	fields := map[string]string{}
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := parts.NextPart()
		if err == io.EOF { //nolint:errorlint // NextPart returns it bare
			return fields, true
		}
		if err != nil {
			return nil, false
		}
		value, err := io.ReadAll(part) // no longer than body
		if _, twice := fields[part.FormName()]; twice || err != nil {
			return nil, false
		}
		fields[part.FormName()] = string(value)
	}
}
