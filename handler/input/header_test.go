package input_test

import (
	"net/http"
	"strings"
	"testing"

	"omr-relay/handler/input"
	"omr-relay/internal/problem"
)

func TestIdempotencyKey(t *testing.T) {
	for text, want := range map[string]string{
		"k": "k", "\tk" + " ": "k", `"k"`: "k", `"a\"b\\c"`: `a"b\c`, strings.Repeat("k", 255): strings.Repeat("k", 255),
		`"k";a=1`: "k", `"class 7b, Anna"`: "class 7b, Anna", "class 7b": "class 7b",
	} {
		if key, err := input.IdempotencyKey(http.Header{"Idempotency-Key": {text}}); err != nil || key != want {
			t.Errorf("%q: %q, %v", text, key, err)
		}
	}
	if key, err := input.IdempotencyKey(nil); err != nil || key != "" {
		t.Errorf("none: %q, %v", key, err)
	}
	for _, values := range [][]string{{""}, {`"`}, {`""`}, {`"k`}, {"k\x01"}, {"ü"}, {strings.Repeat("k", 256)}, {`"` + strings.Repeat("k", 254) + `"`}, {"k", "l"}, {"k, l"}, {`"a"b"`}, {`a"b`}, {`"a\"`}, {`"a\b"`}, {`"k", "l"`}} {
		if key, err := input.IdempotencyKey(http.Header{"Idempotency-Key": values}); problem.From(err).Code != problem.BadRequest {
			t.Errorf("%q: %q, %v", values, key, err)
		}
	}
}

func TestPrefers(t *testing.T) {
	for text, want := range map[string]bool{
		"resubmit": true, "wait=3, Resubmit": true, "respond-async,resubmit;x=1": true, "": false, "resubmit=1": false, "resubmitted": false,
	} {
		if got := input.Prefers(http.Header{"Prefer": {text}}, "resubmit"); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
