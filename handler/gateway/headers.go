package gateway

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"omr-relay/internal/jsonscan"
)

// addTo adds values in the event's order: a name may come in several spellings.
// Events that do not come from API Gateway may repeat a name or hold bytes that
// are no UTF-8; what becomes of them, whoever sends them on decides.
func addTo(header http.Header) func(name, value string) {
	return func(name, value string) {
		key := http.CanonicalHeaderKey(name)
		header[key] = append(header[key], value)
	}
}

// appendMember begins a member of the object that was begun.
func appendMember(out []byte, name string) []byte {
	if out[len(out)-1] != '{' {
		out = append(out, ',')
	}
	return append(appendText(out, name), ':')
}

// appendText appends a header's value. Bytes that are no UTF-8 cannot stand in
// JSON: they are read as the ISO-8859-1 that field values once were (RFC 9110
// §5.5), so that letters stay letters.
func appendText(out []byte, text string) []byte {
	if !utf8.ValidString(text) {
		var latin1 strings.Builder
		for i := range len(text) {
			latin1.WriteRune(rune(text[i]))
		}
		text = latin1.String()
	}
	return jsonscan.AppendQuoted(out, []byte(text))
}
