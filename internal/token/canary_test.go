package token_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/problem"
)

// canary stands for whatever must never be seen again.
const canary = "cAnArY"

// printed returns v as every printer at hand shows it.
func printed(t *testing.T, v any) string {
	t.Helper()
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		_, _ = fmt.Fprintf(&out, verb+"\n", v)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("it", "direct", v, "wrapped", struct{ V any }{v})
	}
	if err := json.NewEncoder(&out).Encode(map[string]any{"v": v}); err != nil {
		out.WriteString(err.Error())
	}
	for err, _ := v.(error); err != nil; err = errors.Unwrap(err) {
		out.WriteString(problem.Describe(err))
		_, ours := err.(problem.Safe)
		if _, coded := err.(*problem.Error); !ours && !coded {
			break // the texts of others' errors are for nobody to print
		}
		out.WriteString(err.Error())
	}
	return out.String()
}

func noCanary(t *testing.T, text string) {
	t.Helper()
	for _, shape := range []string{
		canary, hex.EncodeToString([]byte(canary)), strings.ToUpper(hex.EncodeToString([]byte(canary))),
		base64.StdEncoding.EncodeToString([]byte(canary)),
	} {
		if strings.Contains(text, shape) {
			t.Errorf("the canary sings:\n%s", text)
		}
	}
}

func TestLesson12_TokenEndpointsWordsAreNotRepeated(t *testing.T) {
	description := fmt.Sprintf(`{"error":"invalid_client","error_description":%q}`, canary)
	answers := map[string]http.HandlerFunc{
		"code":            status(400, fmt.Sprintf(`{"error":%q}`, canary)),
		"description":     status(400, description),
		"401":             status(401, description, "WWW-Authenticate", canary),
		"403 page":        status(403, "<html>"+canary),
		"500 page":        status(500, canary),
		"Retry-After":     status(429, canary, "Retry-After", canary),
		"redirect":        status(302, canary, "Location", "https://"+canary+".test/"+canary),
		"echoed request":  func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(400); _, _ = io.Copy(w, r.Body) },
		"bad token":       ok(grantJSON(canary+"\n", "")),
		"token, cut off":  ok(`{"access_token":"` + canary),
		"token, mistyped": ok(`{"access_token":{"` + canary + `":1}}`),
		"token, past":     ok(grantJSON(jwt(`{"exp":1,"sub":"`+canary+`"}`)+canary, "")),
		"other type":      ok(`{"access_token":"` + canary + `","token_type":"` + canary + `"}`),
		"broken":          broken,
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.vault.put(canary[:0]+"v1", canary, canary)
				r.always(answer)
				_, _, err := r.get(t, budget)
				if problem.From(err).Code != problem.TokenUnavailable {
					t.Fatalf("got %v", err)
				}
				noCanary(t, printed(t, err))
				noCanary(t, problem.From(err).Detail)
			})
		})
	}
	t.Run("transport", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.use(t, roundTripFunc(func(*http.Request) (*http.Response, error) {
				return nil, fmt.Errorf("malformed HTTP response %q", canary)
			}))
			_, _, err := r.get(t, budget)
			noCanary(t, problem.Describe(err)+err.Error())
		})
	})
}

// What helps the operator is kept: the status, and a registered code.
func TestTokenErrorsNameStatusAndCode(t *testing.T) {
	for _, tt := range []struct {
		answer http.HandlerFunc
		want   string
	}{
		{status(400, invalidClient), "token_unavailable: the token endpoint answered 400 invalid_client"},
		{status(403, `{"error":"other"}`), "token_unavailable: the token endpoint answered 403"},
		{status(502, ""), "token_unavailable: the token endpoint answered 502"},
		{status(307, ""), "token_unavailable: the token endpoint answered 307"},
		{ok(""), "token_unavailable: the token endpoint gave an empty answer"},
		{ok("\n<!doctype html>"), "token_unavailable: the token endpoint gave a web page, as a sign-in or maintenance page may be, and no token"},
		{ok(invalidClient), "token_unavailable: the token endpoint gave an error as if it were a token: invalid_client"},
		{ok(`{"error":"other"}`), "token_unavailable: the token endpoint gave an error as if it were a token"},
		{status(200, "", "Content-Encoding", "br"), "token_unavailable: asking the token endpoint failed: the answer has a content coding that was not asked for and is not known"},
		{broken, "token_unavailable: asking the token endpoint failed: connection closed in the middle of the answer"},
		{hung, "token_unavailable: asking the token endpoint failed: timed out"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.always(tt.answer)
				_, _, err := r.get(t, budget)
				want(t, "error", fmt.Sprint(err), tt.want)
				want(t, "detail", problem.From(err).Detail, "No access token could be had from the token service.")
			})
		})
	}
}

// TestLineBreakInTheSecretIsNamed as what is likely to be wrong, once it is denied.
func TestLineBreakInTheSecretIsNamed(t *testing.T) {
	for _, tt := range []struct{ id, secret, names string }{
		{"id", canary + "\n", "; the client_secret ends in a line break, which is the likely cause"},
		{"id", canary + "\r\n", "; the client_secret ends in a line break, which is the likely cause"},
		{canary + "\n", "s", "; the client_id ends in a line break, which is the likely cause"},
		{"id", canary + "\nx", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.vault.put("v1", tt.id, tt.secret)
			_, _, err := r.get(t, budget)
			want(t, "error", fmt.Sprint(err), "token_unavailable: the token endpoint answered 400 invalid_client"+tt.names)
			noCanary(t, printed(t, err))
			noCanary(t, printed(t, r.cache))
			r.Token.Accept(tt.id, tt.secret) // nothing is taken off: it may be meant
			time.Sleep(10 * time.Second)
			r.mustGet(t)
		})
	}
}

func TestTokenCannotBePrinted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.answers(ok(grantJSON(canary, `,"expires_in":60`)))
		noCanary(t, printed(t, r.mustGet(t)))
		noCanary(t, printed(t, *r.mustGet(t)))
		noCanary(t, printed(t, r.cache))
		time.Sleep(time.Minute)
		r.answers(broken, ok(grantJSON(canary, `,"expires_in":60`)))
		r.mustGet(t)
	})
}
