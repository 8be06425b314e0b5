package main

import (
	"cmp"
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
	doing string
	total int

	mu        sync.Mutex // guards what follows
	n         int
	last      string
	sent, all int64 // bytes of the uploads under way
}

func newProgress(c console, total int) *progress { return newProgressOf(c, "recognizing", total) }

func newProgressOf(c console, doing string, total int) *progress {
	p := &progress{w: c.stderr, doing: doing, total: total}
	if isTerminal(c.stderr) && c.getenv("TERM") != "dumb" {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(c.stderr),
			progressbar.OptionSetDescription(doing),
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

// at tells of a count that somebody else keeps. What has been said is not said again.
func (p *progress) at(n, total int, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		if total != p.total {
			p.total = total
			p.bar.ChangeMax(total)
		}
		p.bar.Describe(text)
		_ = p.bar.Set(min(n, total)) // likewise
		return
	}
	if line := fmt.Sprintf("%d/%d %s", n, total, text); line != p.last {
		p.last = line
		_, _ = fmt.Fprintln(p.w, line)
	}
}

// uploading tells of an upload that begins, and then of what has gone out.
func (p *progress) uploading(name string, size int64) (sent func(n int), end func()) {
	if p.bar == nil {
		_, _ = fmt.Fprintf(p.w, "uploading %s, %s\n", printable(name), megabytes(size))
		return func(int) {}, func() {}
	}
	mine, over := int64(0), false
	add := func(n, all int64) {
		mine += n
		p.sent, p.all = p.sent+n, p.all+all
		p.describe()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	add(0, size)
	sent = func(n int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		// net/http may still read the file of an upload that S3 has refused.
		if !over {
			add(int64(n), 0)
		}
	}
	return sent, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		over = true
		add(-mine, -size)
	}
}

// describe says what is going on, on a terminal.
func (p *progress) describe() {
	text := cmp.Or(p.doing, "recognizing")
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
