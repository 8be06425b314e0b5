package secrets_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"omr-relay/internal/problem"
	"omr-relay/internal/sandbox"
	"omr-relay/secrets"
)

// canary stands for whatever must never be seen.
const canary = "cAnArY"

// noCanary shows v to every printer at hand.
func noCanary(t *testing.T, v any) {
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
	if err, ok := v.(error); ok {
		out.WriteString(problem.Describe(err))
	}
	// Base64 has three shapes of a text, by where it begins.
	shapes := []string{canary, hex.EncodeToString([]byte(canary)), strings.ToUpper(hex.EncodeToString([]byte(canary)))}
	for offset := range 3 {
		shape := base64.StdEncoding.EncodeToString([]byte("xx"[:offset] + canary))
		shapes = append(shapes, shape[(offset*8+5)/6:(offset+len(canary))*8/6])
	}
	for _, shape := range shapes {
		if strings.Contains(out.String(), shape) {
			t.Errorf("the canary sings, as %q:\n%s", shape, &out)
		}
	}
}

func TestLesson12_ErrorsNeverHoldTheSecret(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":      canary,
		"cut off":      `{"client_id":"id","client_secret":"` + canary,
		"bad escape":   `{"client_id":"id","client_secret":"` + canary + `\u00zz"}`,
		"missing key":  `{"` + canary + `":"id","client_secret":"` + canary + `"}`,
		"empty key":    `{"client_id":"","client_secret":"` + canary + `"}`,
		"wrong type":   `{"client_id":"id","client_secret":{"` + canary + `":1}}`,
		"not a number": `{"client_id":` + canary + `,"client_secret":"` + canary + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			sb, client := start(t)
			sb.Secrets.Put(secretID, text)
			_, err := secrets.NewStore(client, secretID, nil).Get(t.Context())
			if err == nil {
				t.Fatal("no error")
			}
			noCanary(t, err)
		})
	}
	// The SDK keeps what it could not read, in its error.
	for name, raw := range map[string]http.HandlerFunc{
		"answer cut off":  answer(200, `{"SecretString":"{\"client_secret\":\"`+canary),
		"answer mistyped": answer(200, `{"SecretString":["`+canary+`"]}`),
		"error page":      answer(502, canary),
		"error message":   answer(400, `{"__type":"AccessDeniedException","Message":"`+canary+`"}`),
		"unknown error":   answer(400, `{"__type":"Something: `+canary+`","Message":"`+canary+`"}`),
	} {
		t.Run(name, func(t *testing.T) {
			sb, client := start(t)
			sb.Secrets.Respond(func(w http.ResponseWriter, r *http.Request) bool { raw(w, r); return true })
			_, err := secrets.NewStore(client, secretID, nil).Get(t.Context())
			if err == nil {
				t.Fatal("no error")
			}
			noCanary(t, err)
			noCanary(t, &problem.Error{Code: problem.CredentialsUnavailable, Err: err})
		})
	}
	t.Run("transport", func(t *testing.T) {
		s := secrets.NewStore(api(func(context.Context) (*secretsmanager.GetSecretValueOutput, error) {
			return nil, fmt.Errorf("malformed HTTP response %q", canary)
		}), secretID, nil)
		_, err := s.Get(t.Context())
		noCanary(t, err)
	})
}

func TestCredentialsCannotBePrinted(t *testing.T) {
	sb, client := start(t)
	sb.Secrets.Put(secretID, `{"client_id":"`+canary+`","client_secret":"`+canary+`"}`)
	s := secrets.NewStore(client, secretID, nil)
	c, err := s.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	noCanary(t, c)
	noCanary(t, &c)
	noCanary(t, []secrets.Credentials{c})
	noCanary(t, s)
}

// The warning of an outage is all that a Store ever logs.
func TestLogNeverHoldsTheSecret(t *testing.T) {
	sb, client := start(t)
	var log bytes.Buffer
	s := secrets.NewStore(client, secretID, slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	sb.Secrets.Put(secretID, `{"client_id":"`+canary+`","client_secret":"`+canary+`"}`)
	if _, err := s.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	sb.Secrets.Fail(sandbox.Fault{Status: 500, Type: "InternalServiceError", Message: canary}, -1)
	if _, err := s.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	if log.Len() == 0 {
		t.Fatal("nothing logged")
	}
	noCanary(t, log.String())
}
