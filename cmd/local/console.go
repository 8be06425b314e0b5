package main

import (
	"io"
	"os"
	"sync"
)

// lockedWriter lets log lines and the narration share a stream without
// breaking into one another's lines.
type lockedWriter struct {
	mu sync.Mutex // serializes writes
	w  io.Writer
}

// Write implements io.Writer; it is safe for concurrent use.
func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// colourful tells whether to write colours to w: to a terminal that shows
// them, unless the user asked for none (https://no-color.org).
func colourful(w io.Writer, getenv func(string) string) bool {
	if getenv("NO_COLOR") != "" || getenv("TERM") == "dumb" {
		return false
	}
	if locked, ok := w.(*lockedWriter); ok {
		w = locked.w
	}
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
