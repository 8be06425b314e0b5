package jsonscan

import (
	"errors"
	"slices"
	"testing"
)

func elements(data string) ([]string, error) {
	var got []string
	err := Array([]byte(data), func(value []byte) error {
		got = append(got, string(value))
		return nil
	})
	return got, err
}

func TestArray(t *testing.T) {
	for data, want := range map[string][]string{
		"[]": nil, " [ ] ": nil, "[1]": {"1"},
		"\n[ \"a,]\\\"\" , [1,[2]] ,{\"b\":[\"]\"]},null ] ": {`"a,]\""`, "[1,[2]]", `{"b":["]"]}`, "null"},
	} {
		if got, err := elements(data); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v, want %q", data, got, err, want)
		}
	}
}

func TestArrayErrors(t *testing.T) {
	for _, data := range []string{
		"", " ", "{}", `"x"`, "null", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1}", "[1]x", "[]x", `["x]`, "[?]",
	} {
		if got, err := elements(data); err == nil {
			t.Errorf("%s: %q, no error", data, got)
		}
	}
	stop := errors.New("stop")
	if err := Array([]byte("[1]"), func([]byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("yield's error came back as %v", err)
	}
}
