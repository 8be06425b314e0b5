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

	mu        sync.Mutex // guards what follows
	n         int
	sent, all int64 // bytes of the uploads under way
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
		p.describe()
		_ = p.bar.Add(1) // a bar that cannot be shown disturbs nothing
		return
	}
	_, _ = fmt.Fprintf(p.w, "%d/%d %s: %s\n", p.n, p.total, printable(name), o.Status)
}

// uploading tells of an upload that begins, and then of what has gone out.
func (p *progress) uploading(name string, size int64) (sent func(n int), end func()) {
	if p.bar == nil {
		_, _ = fmt.Fprintf(p.w, "uploading %s, %s\n", printable(name), megabytes(size))
		return func(int) {}, func() {}
	}
	mine := int64(0)
	add := func(n, all int64) {
		p.mu.Lock()
		defer p.mu.Unlock()
		mine += n
		p.sent, p.all = p.sent+n, p.all+all
		p.describe()
	}
	add(0, size)
	return func(n int) { add(int64(n), 0) }, func() { add(-mine, -size) }
}

// describe says what is going on, on a terminal.
func (p *progress) describe() {
	text := "recognizing"
	if p.all > 0 {
		text = fmt.Sprintf("uploading %.0f of %s", float64(p.sent)/1e6, megabytes(p.all))
	}
	p.bar.Describe(text)
}

func megabytes(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }

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
