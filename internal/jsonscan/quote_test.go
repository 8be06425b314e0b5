package jsonscan

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// quotes holds AppendQuoted and QuotedLen against oneByOne.
func quotes(t *testing.T, text []byte) {
	t.Helper()
	want := oneByOne(text)
	if got := AppendQuoted(nil, text); !bytes.Equal(got, want) {
		t.Fatalf("%q became %s", text, got)
	}
	if got := QuotedLen(text); got != len(want) {
		t.Fatalf("%q: QuotedLen is %d, not %d", text, got, len(want))
	}
}

// TestQuotedEverywhere puts each byte that could be taken for another at every
// place of texts that reach into a third block, alone and next to the quote that
// may mislead the search.
func TestQuotedEverywhere(t *testing.T) {
	for size := range 3*block + 9 {
		for at := range size {
			for _, b := range []byte("\x00\t\n\r\x1f !\"#[\\]\x7f\x80\x8f\xa2\xdc\xff") {
				for _, neighbour := range []byte{'x', '"'} {
					text := bytes.Repeat([]byte{'x'}, size)
					text[(at+1)%size] = neighbour
					text[at] = b
					quotes(t, text)
				}
			}
		}
	}
}

// oneByOne quotes each byte for itself.
func oneByOne(text []byte) []byte {
	const hex = "0123456789abcdef"
	out := []byte{'"'}
	for _, b := range text {
		switch {
		case b == '"' || b == '\\':
			out = append(out, '\\', b)
		case b == '\n':
			out = append(out, `\n`...)
		case b == '\r':
			out = append(out, `\r`...)
		case b == '\t':
			out = append(out, `\t`...)
		case b < 0x20:
			out = append(out, '\\', 'u', '0', '0', hex[b>>4], hex[b&0xf])
		default:
			out = append(out, b)
		}
	}
	return append(out, '"')
}

func TestEveryByte(t *testing.T) {
	for b := range byte(0x80) {
		quotes(t, []byte{b})
		var got string
		if err := json.Unmarshal(oneByOne([]byte{b}), &got); err != nil || got != string(rune(b)) {
			t.Errorf("%q, %v; want %q", got, err, b)
		}
	}
}

func BenchmarkQuote(b *testing.B) {
	for name, s := range map[string]string{
		"base64": `{"results":[{"data":"` + strings.Repeat("iVBORw0K", 1<<17) + `"}]}`,
		"json":   strings.Repeat(`{"name":"Question 12","value":"A","rect":[1,2,3,4]},`+"\r\n", 1<<14),
		"utf8":   strings.Repeat("Frage zwölf, Antwort größer ", 1<<15),
	} {
		b.Run(name, func(b *testing.B) {
			text := []byte(s)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			dst := make([]byte, 0, 2*len(text))
			for b.Loop() {
				if out := AppendQuoted(dst, text); len(out) != QuotedLen(text) {
					b.Fatal(len(out))
				}
			}
		})
	}
}
