package handler

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"omr-relay/internal/bearer"
)

// maxForm is far more than a token request has.
const maxForm = 16 << 10

// relayTokenLifetime is what clients are told, in seconds. The key behind the
// token has no such end; an hour is what they know from the upstream.
const relayTokenLifetime = 3600

// oauthError is an error of the token endpoint (RFC 6749 §5.2).
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

// relayToken answers the client-credentials grant (RFC 6749 §4.4) for clients
// that know no other way to authenticate: what they send as client_secret is
// their API key, and they get it back as their access token. Nothing is looked
// up and nothing is called; whether the key is good is decided by API Gateway,
// when they use it.
func relayToken(req *request) *answer {
	key, failure := apiKey(req)
	if failure != nil {
		return tokenAnswer(http.StatusBadRequest, failure)
	}
	return tokenAnswer(http.StatusOK, struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int    `json:"expires_in"`
	}{key, "Bearer", relayTokenLifetime})
}

// tokenAnswer never lands in a cache (RFC 6749 §5.1).
func tokenAnswer(status int, v any) *answer {
	body, _ := json.Marshal(v) // two plain structs
	return &answer{status: status, body: body, header: http.Header{
		"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}, "Pragma": {"no-cache"},
	}}
}

// apiKey reads the key out of a token request. The error's texts are constant.
func apiKey(req *request) (string, *oauthError) {
	fields, ok := tokenFields(req)
	switch {
	case !ok:
		return "", &oauthError{"invalid_request", "Send grant_type, client_id and client_secret once each, as a form."}
	case fields["grant_type"] == "":
		return "", &oauthError{"invalid_request", "grant_type is missing."}
	case fields["grant_type"] != "client_credentials":
		return "", &oauthError{"unsupported_grant_type", "Only client_credentials is supported."}
	case fields["client_id"] == "":
		return "", &oauthError{"invalid_request", "client_id is missing; it is the caller's label."}
	case fields["client_secret"] == "":
		return "", &oauthError{"invalid_request", "client_secret is missing; it is the caller's API key."}
	case !bearer.Valid(fields["client_secret"]):
		return "", &oauthError{"invalid_client", "client_secret is not an API key."}
	}
	return fields["client_secret"], nil
}

// tokenFields reads the form, in any of the ways that the SDKs write it.
func tokenFields(req *request) (map[string]string, bool) {
	if req.err != nil || len(req.body.bytes) > maxForm {
		return nil, false
	}
	kind, params, err := mime.ParseMediaType(req.header.Get("Content-Type"))
	switch {
	case req.header.Get("Content-Type") == "", err == nil && kind == "application/x-www-form-urlencoded":
		return urlencodedFields(string(req.body.bytes))
	case err == nil && kind == "multipart/form-data":
		return multipartFields(req.body.bytes, params["boundary"])
	default:
		return nil, false
	}
}

// urlencodedFields also takes forms that were not encoded. A plus stays one: a
// key may have it, and has no space.
func urlencodedFields(form string) (map[string]string, bool) {
	fields := map[string]string{}
	for pair := range strings.SplitSeq(form, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		if plain, err := url.PathUnescape(value); err == nil {
			value = plain
		}
		if _, twice := fields[name]; twice {
			return nil, false
		}
		fields[name] = value
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
