// Package sensitive holds text that must not be seen: client credentials and access tokens.
package sensitive

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what every printer shows in place of the text.
const Redacted = "[redacted]"

// String is text that fmt, log/slog, encoding/json and a panic cannot print,
// not even where it lies in an unexported field: the text stays behind a
// function, and reflection sees no more of a function than its address.
// The zero value holds the empty text. A String is immutable and safe for
// concurrent use.
type String struct{ reveal func() string }

// New returns a String that holds s.
func New(s string) String { return String{reveal: func() string { return s }} }

// Reveal returns the text itself. Call it only where the text goes onto the wire.
func (s String) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// Equal reports whether both hold the same text, in time that does not depend
// on where they differ.
func (s String) Equal(other String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String implements [fmt.Stringer]; a panic prints it too.
func (s String) String() string { return Redacted }

// GoString implements [fmt.GoStringer].
func (s String) GoString() string { return Redacted }

// Format implements [fmt.Formatter] for every verb.
func (s String) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// LogValue implements [slog.LogValuer].
func (s String) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText implements [encoding.TextMarshaler], which encoding/json and
// slog's handlers ask as well.
func (s String) MarshalText() ([]byte, error) { return []byte(Redacted), nil }
