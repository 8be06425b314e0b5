package layout_test

import (
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"

	"omr-relay/internal/batch/layout"
)

// TestHead: what an order says before its uploads is read, and no more.
func TestHead(t *testing.T) {
	threshold := 30
	whole := layout.Order{Request: "r", Name: "<Klasse 7b & \"7c\">", Threshold: &threshold, Resubmit: true, Folder: "7b/"}
	text, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := layout.Head(strings.NewReader(string(text))); err != nil || !reflect.DeepEqual(got, whole) {
		t.Errorf("%+v, %v", got, err)
	}
	withUploads := whole
	withUploads.Uploads = make([]layout.OrderedUpload, 10_000)
	text, err = json.Marshal(withUploads)
	if err != nil {
		t.Fatal(err)
	}
	r := &counting{from: strings.NewReader(string(text))}
	if got, err := layout.Head(r); err != nil || !reflect.DeepEqual(got, whole) || r.n > 8<<10 {
		t.Errorf("%+v, %v, %d bytes read", got, err, r.n)
	}
	if got, err := layout.Head(strings.NewReader("{}")); err != nil || !reflect.DeepEqual(got, layout.Order{}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", "[]", "{", `{"name":3}`, `{"name"`, `{"name":"x`, "null"} {
		if got, err := layout.Head(strings.NewReader(text)); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

type counting struct {
	from io.Reader
	n    int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += n
	return n, err
}
