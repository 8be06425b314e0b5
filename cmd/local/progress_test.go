package main

import (
	"bytes"
	"strings"
	"sync"
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
	// What is read of a file after its end counts no more, whoever reads it.
	sentC, endC := p.uploading("c.png", 10_000_000)
	var late sync.WaitGroup
	late.Go(func() { sentC(7_000_000) })
	endC()
	late.Wait()
	sentC(1_000_000)
	if p.sent != 0 || p.all != 0 {
		t.Errorf("%d of %d bytes are under way, and nothing is", p.sent, p.all)
	}
}

// Of a batch it shows what the relay counts: a line for each change, or a bar whose end
// moves.
func TestProgressOfABatch(t *testing.T) {
	var out bytes.Buffer
	p := &progress{w: &out, total: 7}
	for _, n := range []int{0, 0, 3, 3, 5} {
		p.at(n, 5, "recognized")
	}
	if got, want := out.String(), "0/5 recognized\n3/5 recognized\n5/5 recognized\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	out.Reset()
	p = &progress{total: 7, bar: progressbar.NewOptions(7, progressbar.OptionSetWriter(&out), progressbar.OptionThrottle(0), progressbar.OptionShowCount())}
	p.at(3, 5, "recognized, 2 under way")
	if text := out.String(); !strings.Contains(text, "recognized, 2 under way") || !strings.Contains(text, "(3/5") {
		t.Errorf("%q", text)
	}
}
