package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"omr-relay/internal/recognition"
)

// progress shows how far it is: a bar on a terminal, lines elsewhere. It is safe
// for concurrent use.
type progress struct {
	w     io.Writer
	bar   *progressbar.ProgressBar // nil: lines
	total int

	mu sync.Mutex // guards n
	n  int
}

func newProgress(c console, total int) *progress {
	p := &progress{w: c.stderr, total: total}
	if isTerminal(c.stderr) && c.getenv("TERM") != "dumb" {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(c.stderr),
			progressbar.OptionSetDescription("recognizing"),
			progressbar.OptionShowCount(),
			progressbar.OptionSetWidth(30),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionEnableColorCodes(colourful(c.stderr, c.getenv)),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionSetRenderBlankState(true),
		)
	}
	return p
}

// done tells of a sheet that needs nothing more.
func (p *progress) done(name string, o recognition.Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	if p.bar != nil {
		p.bar.Describe("recognizing")
		_ = p.bar.Add(1) // a bar that cannot be shown disturbs nothing
		return
	}
	_, _ = fmt.Fprintf(p.w, "%d/%d %s: %s\n", p.n, p.total, printable(name), o.Status)
}

// waiting tells why nothing happens for a while.
func (p *progress) waiting(why string, d time.Duration) {
	text := fmt.Sprintf("waiting %v: %s", d.Round(time.Second), printable(why))
	if p.bar != nil {
		p.bar.Describe(text)
		return
	}
	_, _ = fmt.Fprintln(p.w, text)
}

// end takes the bar away: what follows says it all.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// isTerminal reports whether somebody is looking at what is written to w.
func isTerminal(w io.Writer) bool {
	if locked, ok := w.(*lockedWriter); ok {
		w = locked.w
	}
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
