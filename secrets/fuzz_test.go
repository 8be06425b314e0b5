package secrets

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// FuzzParse gives any SecretString to whoever reads it: what comes of it is the
// two values as they stand there, or an error that repeats neither.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{"client_id":"id","client_secret":"s+&%= ü\u0000"}`, `{"client_id":"id"}`, `{"client_id":"","client_secret":"x"}`,
		`{"client_id":1,"client_secret":[]}`, `{"Client_Id":"id","client_secret":"s"}`, `{"client_id":"a","client_id":"b","client_secret":"s"}`,
		`null`, `[]`, `"x"`, ``, `{`, strings.Repeat(`{"a":`, 10_000),
	} {
		f.Add(text, "")
	}
	f.Fuzz(func(t *testing.T, text, version string) {
		c, err := parse(text, version)
		if err != nil {
			// Such an error is made of constants alone.
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Err != nil || e.APICode != "" || e.Key != "" && e.Key != keyID && e.Key != keySecret {
				t.Errorf("%+v", err)
			}
			return
		}
		var want map[string]any
		if json.Unmarshal([]byte(text), &want) != nil || c.ClientID.Reveal() != want["client_id"] || c.ClientSecret.Reveal() != want["client_secret"] {
			t.Errorf("%q was read as %q and %q", text, c.ClientID.Reveal(), c.ClientSecret.Reveal())
		}
		if c.Version == "" || version != "" && c.Version != version {
			t.Errorf("version %q became %q", version, c.Version)
		}
	})
}
