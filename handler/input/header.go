package input

import (
	"net/http"
	"strings"

	"omr-relay/internal/problem"
)

// IdempotencyKey reads the header's one value: a string as structured fields have it
// (RFC 9651 §3.3.3), or the same without its quotes, as most clients send it. It is
// empty where there is no header.
func IdempotencyKey(h http.Header) (string, error) {
	values := h.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	text := strings.TrimSpace(values[0])
	key, ok := keyOf(text)
	if !ok || len(values) > 1 || key == "" || len(text) > maxKey || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", errKey()
	}
	return key, nil
}

// keyOf takes a string as structured fields have it (RFC 9651 §3.3.3), whose parameters
// say nothing here, or what most clients send: the same without quotes. A comma there
// is two keys: HTTP APIs make one line of two.
func keyOf(text string) (key string, ok bool) {
	inner, quoted := strings.CutPrefix(text, `"`)
	if !quoted {
		return text, !strings.ContainsAny(text, `",`)
	}
	var out strings.Builder
	for i := 0; i < len(inner); i++ {
		switch c := inner[i]; {
		case c == '\\' && i+1 < len(inner) && (inner[i+1] == '"' || inner[i+1] == '\\'):
			i++
			out.WriteByte(inner[i])
		case c == '\\':
			return "", false
		case c == '"':
			rest := strings.TrimSpace(inner[i+1:])
			return out.String(), rest == "" || rest[0] == ';'
		default:
			out.WriteByte(c)
		}
	}
	return "", false
}

// maxKey is of the header as it comes, quotes included: so the description has it.
const maxKey = 255

func errKey() error {
	return &problem.Error{Code: problem.BadRequest,
		Detail: "There is one Idempotency-Key at most, of 1 to 255 printable ASCII characters, such as a UUID. Nothing was submitted."}
}

// Prefers reports whether a preference without a value is among those of Prefer (RFC
// 7240).
func Prefers(h http.Header, name string) bool {
	for preference := range strings.SplitSeq(strings.Join(h.Values("Prefer"), ","), ",") {
		preference, _, _ = strings.Cut(preference, ";")
		if strings.EqualFold(strings.TrimSpace(preference), name) {
			return true
		}
	}
	return false
}
