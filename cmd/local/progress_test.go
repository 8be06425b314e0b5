package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/schollz/progressbar/v3"

	"omr-relay/internal/recognition"
)

// On a terminal the bar says how far the uploads are, all together, and then what it
// said before.
func TestProgressOfUploads(t *testing.T) {
	var out bytes.Buffer
	p := &progress{total: 2, bar: progressbar.NewOptions(2, progressbar.OptionSetWriter(&out), progressbar.OptionThrottle(0))}
	shows := func(want string) {
		t.Helper()
		if text := out.String(); !strings.Contains(text[strings.LastIndex(text, "\r")+1:], want) {
			t.Errorf("shows %q, want %q", text, want)
		}
	}
	sentA, endA := p.uploading("a.png", 50_000_000)
	sentA(20_000_000)
	sentB, endB := p.uploading("b.png", 10_000_000)
	sentB(5_000_000)
	shows("uploading 25 of 60 MB")
	endB()
	shows("uploading 20 of 50 MB")
	p.done("b.png", recognition.Outcome{Status: "Ok"})
	shows("uploading 20 of 50 MB")
	sentA(30_000_000)
	endA()
	shows("recognizing")
}
