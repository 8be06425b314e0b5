package sensitive

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const canary = "canary-3f9a61c27d"

type holder struct {
	Public  String
	private String
	nested  struct{ deep []String }
	pointer *String
}

func newHolder() holder {
	s := New(canary)
	h := holder{Public: s, private: s, pointer: &s}
	h.nested.deep = []String{s}
	return h
}

// TestUnprintable tries every common printer on the value itself, on a pointer
// to it, and on structs, slices and maps that hold it, exported or not.
func TestUnprintable(t *testing.T) {
	h := newHolder()
	values := map[string]any{
		"value": h.Public, "pointer": &h.Public, "struct": h, "struct pointer": &h,
		"slice": []String{h.Public}, "map": map[string]String{"k": h.Public}, "any": []any{h.private},
		"error": fmt.Errorf("wrapping: %v", h.private),
	}
	for name, value := range values {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		fmt.Fprintln(&out, value)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "k", value, slog.Any("any", value))
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "k", value, slog.Group("g", slog.Any("any", value)))
		if b, err := json.Marshal(value); err == nil {
			out.Write(b)
		}
		if b, err := xml.Marshal(value); err == nil {
			out.Write(b)
		}
		if leaks(out.String()) {
			t.Errorf("%s: printed: %s", name, out.String())
		}
	}
}

// leaks looks for the canary as text, as hexadecimal and as decimal bytes.
func leaks(out string) bool {
	return strings.Contains(out, canary) ||
		strings.Contains(strings.ToLower(out), fmt.Sprintf("%x", canary[:6])) ||
		strings.Contains(out, strings.Trim(fmt.Sprint([]byte(canary[:6])), "[]"))
}

// TestPanic panics in a process of its own with each shape and reads what the
// runtime writes of it.
func TestPanic(t *testing.T) {
	if which := os.Getenv("OPAQUE_PANIC"); which != "" {
		h := newHolder()
		map[string]func(){
			"value":   func() { panic(h.Public) },
			"pointer": func() { panic(&h.Public) },
			"struct":  func() { panic(h) },
			"error":   func() { panic(fmt.Errorf("broken: %v", h.private)) },
		}[which]()
		return
	}
	for _, which := range []string{"value", "pointer", "struct", "error"} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPanic$")
		cmd.Env = append(os.Environ(), "OPAQUE_PANIC="+which, "GOTRACEBACK=all")
		out, err := cmd.CombinedOutput()
		if err == nil || !bytes.Contains(out, []byte("panic:")) {
			t.Fatalf("%s: did not panic: %v\n%s", which, err, out)
		}
		if leaks(string(out)) {
			t.Errorf("%s: printed: %s", which, out)
		}
	}
}

func TestReveal(t *testing.T) {
	if got := New(canary).Reveal(); got != canary {
		t.Errorf("Reveal() = %q", got)
	}
	if got := (String{}).Reveal(); got != "" {
		t.Errorf("zero value reveals %q", got)
	}
}

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		a, b String
		want bool
	}{
		{New("a"), New("a"), true},
		{New("a"), New("b"), false},
		{New("a"), New("aa"), false},
		{String{}, New(""), true},
	} {
		if got := c.a.Equal(c.b); got != c.want {
			t.Errorf("%q equal %q = %v", c.a.Reveal(), c.b.Reveal(), got)
		}
	}
}
