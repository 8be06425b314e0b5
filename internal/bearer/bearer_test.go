package bearer

import "testing"

func TestValid(t *testing.T) {
	for _, s := range []string{"a", "Z9", "eyJh.eyJp.c2ln", "-._~+/=", "YQ=="} {
		if !Valid(s) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range []string{"", " ", "a b", "a\n", "a\x00", "é", "a,b", `a"b`, "a;b", "a\x7f"} {
		if Valid(s) {
			t.Errorf("%q passes", s)
		}
	}
}
