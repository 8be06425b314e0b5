package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func members(t *testing.T, data string) ([][2]string, error) {
	t.Helper()
	var got [][2]string
	err := Object([]byte(data), func(name string, value []byte) error {
		got = append(got, [2]string{name, string(value)})
		return nil
	})
	return got, err
}

func TestObject(t *testing.T) {
	got, err := members(t, " {\n\"a\" : \"x\\\"y\\\\\" ,\"b\":{\"c\":[1,\"}\"]},\"n\":null,\"t\":true,\"\\u0065\":-1.5E+3} ")
	want := [][2]string{{"a", `"x\"y\\"`}, {"b", `{"c":[1,"}"]}`}, {"n", "null"}, {"t", "true"}, {"e", "-1.5E+3"}}
	if err != nil || len(got) != len(want) {
		t.Fatalf("got %q, %v", got, err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("member %d is %q, want %q", i, got[i], want[i])
		}
	}
	if got, err := members(t, "{ }"); err != nil || got != nil {
		t.Errorf("empty object: %q, %v", got, err)
	}
}

func TestObjectErrors(t *testing.T) {
	for _, data := range []string{
		"", " ", "[]", `"x"`, "null", "{", `{"a"`, `{"a"}`, `{"a":`, `{"a":}`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{a:1}`,
		`{"a":"x}`, `{"a":"x\"}`, `{"a":[1}`, `{"a":1}x`, `{}x`, `{"a" 1}`, `{"a":1 "b":2}`, `{"a":]}`, `{"a":,}`, `{"a":?}`, `{"\x":1}`,
	} {
		if _, err := members(t, data); err == nil {
			t.Errorf("%s: no error", data)
		}
	}
	stop := errors.New("stop")
	if err := Object([]byte(`{"a":1}`), func(string, []byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("yield's error came back as %v", err)
	}
}

func TestObjectDepth(t *testing.T) {
	const deep = 100_000
	value := strings.Repeat("[", deep) + strings.Repeat("]", deep)
	got, err := members(t, `{"a":`+value+`}`)
	if err != nil || got[0][1] != value {
		t.Fatalf("deep value: %v", err)
	}
}

func TestUnquoteErrors(t *testing.T) {
	for _, raw := range []string{``, `"`, `1`, `"\x"`, `"\u12"`, `"\u12g4"`, `"\"`} {
		if got, err := Unquote([]byte(raw)); err == nil {
			t.Errorf("%s: %q, no error", raw, got)
		}
	}
}

// FuzzUnquote holds Unquote against encoding/json on everything that it takes.
func FuzzUnquote(f *testing.F) {
	for _, s := range []string{`""`, `"plain"`, `"\"\\\/\b\f\n\r\t"`, `"\u00e9\ud83d\ude00"`, `"\ud83d"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"\ude00\ud83d"`, `"é"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var want string
		if !utf8.Valid(raw) || json.Unmarshal(raw, &want) != nil {
			return
		}
		raw = bytes.TrimSpace(raw)
		if raw[0] != '"' {
			return
		}
		got, err := Unquote(raw)
		if err != nil || string(got) != want {
			t.Errorf("Unquote(%s) = %q, %v; want %q", raw, got, err, want)
		}
	})
}

// FuzzObject holds Object against encoding/json on everything that is JSON,
// and looks for a panic on everything else.
func FuzzObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1,"b":[{"c":"}"}],"d":"\\"}`, `{"a":"\""}`, `{"a":1,"a":2}`, "{\t\"a\"\n:\rnull }"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := map[string]json.RawMessage{}
		err := Object(data, func(name string, value []byte) error {
			got[name] = value
			return nil
		})
		var want map[string]json.RawMessage
		if !utf8.Valid(data) || json.Unmarshal(data, &want) != nil || want == nil {
			return
		}
		if err != nil || len(got) != len(want) {
			t.Fatalf("Object(%s): %v; %d members, want %d", data, err, len(got), len(want))
		}
		for name, value := range want {
			if !bytes.Equal(got[name], value) {
				t.Errorf("Object(%s)[%q] = %s, want %s", data, name, got[name], value)
			}
		}
	})
}

func FuzzAppendQuoted(f *testing.F) {
	f.Add("plain \"quoted\" back\\slash\n\r\t\x00\x1f\x7f <&> \u2028 é 😀")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		var got string
		quoted := AppendQuoted(nil, []byte(text))
		if err := json.Unmarshal(quoted, &got); err != nil || got != text {
			t.Errorf("%q came back as %q, %v", text, got, err)
		}
		if n := QuotedLen([]byte(text)); n != len(quoted) {
			t.Errorf("%q: QuotedLen is %d, not %d", text, n, len(quoted))
		}
	})
}

// TestUnquoteAcrossWindows has an escape begin and end on either side of a
// window's border.
func TestUnquoteAcrossWindows(t *testing.T) {
	for _, escape := range []string{`\n`, `\"`, `\u00e9`, `\ud83d\ude00`} {
		for at := window - 14; at <= window+2; at++ {
			raw := []byte(`"` + strings.Repeat("x", at) + escape + strings.Repeat("y", window) + `"`)
			var want string
			if err := json.Unmarshal(raw, &want); err != nil {
				t.Fatal(err)
			}
			if got, err := Unquote(raw); err != nil || string(got) != want {
				t.Errorf("%s at %d: %d bytes, want %d, %v", escape, at, len(got), len(want), err)
			}
		}
	}
}
