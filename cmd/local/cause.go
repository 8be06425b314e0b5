package main

import (
	"encoding/json"
	"io"
	"sync"
)

// causes passes the relay's log on and remembers why invocations failed: that is
// said in the log alone, and the person at the terminal wants it at the end of the
// trace. It is safe for concurrent use.
type causes struct {
	w io.Writer

	mu sync.Mutex // guards of
	of map[string]string
}

// Write takes one line at a time.
func (c *causes) Write(line []byte) (int, error) {
	var entry struct {
		Message, RequestID, Error string
	}
	if json.Unmarshal(line, &entry) == nil && entry.Message == "invocation" && entry.Error != "" {
		c.mu.Lock()
		if c.of == nil {
			c.of = map[string]string{}
		}
		c.of[entry.RequestID] = entry.Error
		c.mu.Unlock()
	}
	return c.w.Write(line)
}

// take returns why the invocation failed, or "".
func (c *causes) take(requestID string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	why := c.of[requestID]
	delete(c.of, requestID)
	return why
}
