package secrets_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"omr-relay/internal/sensitive"
	"omr-relay/secrets"
)

func TestSecretStringsThatAreNotTaken(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		kind       secrets.Kind
		key        string
	}{
		{"empty", ``, secrets.Malformed, ""},
		{"plain text", `id:secret`, secrets.Malformed, ""},
		{"null", `null`, secrets.Malformed, ""},
		{"string", `"id"`, secrets.Malformed, ""},
		{"array", `["id","secret"]`, secrets.Malformed, ""},
		{"cut off", `{"client_id":"id","client_secret":"sec`, secrets.Malformed, ""},
		{"two objects", `{"client_id":"i","client_secret":"s"}{}`, secrets.Malformed, ""},
		{"no keys", `{}`, secrets.MissingKey, "client_id"},
		{"no id", `{"client_secret":"s"}`, secrets.MissingKey, "client_id"},
		{"no secret", `{"client_id":"i"}`, secrets.MissingKey, "client_secret"},
		{"other capitals", `{"Client_Id":"i","client_secret":"s"}`, secrets.MissingKey, "client_id"},
		{"other spelling", `{"clientId":"i","clientSecret":"s"}`, secrets.MissingKey, "client_id"},
		{"nested", `{"omr":{"client_id":"i","client_secret":"s"}}`, secrets.MissingKey, "client_id"},
		{"empty id", `{"client_id":"","client_secret":"s"}`, secrets.EmptyKey, "client_id"},
		{"empty secret", `{"client_id":"i","client_secret":""}`, secrets.EmptyKey, "client_secret"},
		{"null id", `{"client_id":null,"client_secret":"s"}`, secrets.Malformed, "client_id"},
		{"number", `{"client_id":1234,"client_secret":"s"}`, secrets.Malformed, "client_id"},
		{"boolean", `{"client_id":"i","client_secret":true}`, secrets.Malformed, "client_secret"},
		{"array of one", `{"client_id":"i","client_secret":["s"]}`, secrets.Malformed, "client_secret"},
		{"object", `{"client_id":"i","client_secret":{}}`, secrets.Malformed, "client_secret"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := secrets.NewStore(api(func(context.Context) (*secretsmanager.GetSecretValueOutput, error) {
				return text(tt.text), nil
			}), secretID, nil)
			_, err := s.Get(t.Context())
			wantKind(t, err, tt.kind)
			if e, _ := errors.AsType[*secrets.Error](err); e.Key != tt.key {
				t.Errorf("at fault is %q, want %q", e.Key, tt.key)
			}
			if !strings.HasSuffix(err.Error(), tt.key) {
				t.Errorf("%q does not name the key", err)
			}
		})
	}
	t.Run("neither text nor binary", func(t *testing.T) {
		s := secrets.NewStore(api(func(context.Context) (*secretsmanager.GetSecretValueOutput, error) {
			return &secretsmanager.GetSecretValueOutput{}, nil
		}), secretID, nil)
		_, err := s.Get(t.Context())
		wantKind(t, err, secrets.Unavailable)
	})
}

// A store that names no version still tells one from the next.
func TestVersionWithoutVersionID(t *testing.T) {
	secret := ""
	s := secrets.NewStore(api(func(context.Context) (*secretsmanager.GetSecretValueOutput, error) {
		return &secretsmanager.GetSecretValueOutput{SecretString: aws.String(secret)}, nil
	}), secretID, nil)
	version := func(value string) string {
		t.Helper()
		secret = `{"client_id":"i","client_secret":"` + value + `"}`
		c, err := s.Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return c.Version
	}
	one := version("one")
	if again := version("one"); again != one {
		t.Errorf("one secret, two versions: %q and %q", one, again)
	}
	if two := version("two"); two == one {
		t.Errorf("two secrets, one version: %q", two)
	}
	if len(one) != len("sha256:")+64 || !strings.HasPrefix(one, "sha256:") || strings.Contains(one, "one") {
		t.Errorf("version %q is no digest", one)
	}
}

// TestByteOrderMark: PowerShell writes one before what it is given.
func TestByteOrderMark(t *testing.T) {
	get := func(secret string) (secrets.Credentials, error) {
		return secrets.NewStore(api(func(context.Context) (*secretsmanager.GetSecretValueOutput, error) {
			return text(secret), nil
		}), secretID, nil).Get(t.Context())
	}
	c, err := get("\ufeff" + `{"client_id":"id","client_secret":"s"}`)
	if err != nil || c.ClientID.Reveal() != "id" || c.ClientSecret.Reveal() != "s" {
		t.Errorf("%v, %v", c, err)
	}
	if _, err := get("\ufeff\ufeff" + `{"client_id":"id","client_secret":"s"}`); err == nil {
		t.Error("two are taken")
	}
}

// TestPair tells pairs apart by what they are, not by their version, and prints
// as little as they do.
func TestPair(t *testing.T) {
	of := func(id, secret, version string) sensitive.String {
		return secrets.Credentials{ClientID: sensitive.New(id), ClientSecret: sensitive.New(secret), Version: version}.Pair()
	}
	pair := of("id", "secret", "v1")
	if !pair.Equal(of("id", "secret", "v2")) || pair.String() != sensitive.Redacted || strings.Contains(pair.Reveal(), "secret") {
		t.Errorf("%v", pair)
	}
	for _, other := range []sensitive.String{of("id", "secreT", "v1"), of("ids", "ecret", "v1"), of("", "idsecret", "v1"), {}} {
		if pair.Equal(other) {
			t.Error("two pairs are one")
		}
	}
}
