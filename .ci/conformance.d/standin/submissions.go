package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// submissions stands before the upstream and counts, by the content of their image, the
// recognitions that it takes, and are paid for, whether or not anybody hears its answer.
type submissions struct {
	next http.Handler
	slow atomic.Int64 // nanoseconds

	mu    sync.Mutex // guards what follows
	by    map[[sha256.Size]byte]int
	polls int
}

// submitted is what is told of them.
type submitted struct {
	Submissions int `json:"submissions"`
	Contents    int `json:"contents"`
	Most        int `json:"most"` // of one content
	Polls       int `json:"polls"`
}

func (s *submissions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	taken := &status{ResponseWriter: w, is: http.StatusOK}
	switch {
	case strings.HasSuffix(r.URL.Path, "/PostRecognizeTemplate"):
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // it did not come whole
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		select {
		case <-time.After(time.Duration(s.slow.Load())):
		case <-r.Context().Done():
		}
		s.next.ServeHTTP(taken, r)
		var task struct{ Images []string }
		if taken.is == http.StatusOK && json.Unmarshal(body, &task) == nil && len(task.Images) > 0 {
			s.count(sha256.Sum256([]byte(task.Images[0])))
		}
	case strings.HasSuffix(r.URL.Path, "/GetRecognizeTemplate"):
		s.mu.Lock()
		s.polls++
		s.mu.Unlock()
		fallthrough
	default:
		s.next.ServeHTTP(w, r)
	}
}

// status remembers the one that was answered.
type status struct {
	http.ResponseWriter
	is int
}

func (s *status) WriteHeader(code int) {
	s.is = code
	s.ResponseWriter.WriteHeader(code)
}

func (s *submissions) count(content [sha256.Size]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[[sha256.Size]byte]int{}
	}
	s.by[content]++
}

func (s *submissions) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by, s.polls = nil, 0
}

func (s *submissions) told() submitted {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := submitted{Contents: len(s.by), Polls: s.polls}
	for _, n := range s.by {
		told.Submissions += n
		told.Most = max(told.Most, n)
	}
	return told
}
