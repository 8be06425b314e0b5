package secrets

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"omr-relay/internal/sensitive"
)

// Credentials are one version of the secret. They cannot be printed.
type Credentials struct {
	ClientID     sensitive.String
	ClientSecret sensitive.String
	// Version tells versions of the secret apart. It is Secrets Manager's
	// VersionId, or a digest of the secret where the store names none.
	Version string
}

// Pair returns a digest of ClientID and ClientSecret: equal for equal pairs,
// whatever their Version, and as unprintable as they are.
func (c Credentials) Pair() sensitive.String {
	// The length keeps apart what is the same once it is joined.
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(c.ClientID.Reveal()), c.ClientID.Reveal(), c.ClientSecret.Reveal()))
	return sensitive.New(string(sum[:]))
}

// The keys of the secret's JSON object.
const (
	keyID     = "client_id"
	keySecret = "client_secret"
)

// parse reads the JSON object of a SecretString. Other keys may stand beside
// the two; their names are matched exactly.
func parse(text, version string) (Credentials, error) {
	// PowerShell writes a byte order mark.
	text = strings.TrimPrefix(text, "\ufeff")
	// A map, because a struct would also take the keys in other capitals.
	var object map[string]json.RawMessage
	// The decoder's own error is dropped: it can quote the secret.
	if err := json.Unmarshal([]byte(text), &object); err != nil || object == nil {
		return Credentials{}, &Error{Kind: Malformed}
	}
	id, err := member(object, keyID)
	if err != nil {
		return Credentials{}, err
	}
	secret, err := member(object, keySecret)
	if err != nil {
		return Credentials{}, err
	}
	if version == "" {
		sum := sha256.Sum256([]byte(text))
		version = "sha256:" + hex.EncodeToString(sum[:])
	}
	return Credentials{ClientID: sensitive.New(id), ClientSecret: sensitive.New(secret), Version: version}, nil
}

func member(object map[string]json.RawMessage, name string) (string, error) {
	raw, ok := object[name]
	if !ok {
		return "", &Error{Kind: MissingKey, Key: name}
	}
	var value *string
	if err := json.Unmarshal(raw, &value); err != nil || value == nil {
		return "", &Error{Kind: Malformed, Key: name}
	}
	if *value == "" {
		return "", &Error{Kind: EmptyKey, Key: name}
	}
	return *value, nil
}
