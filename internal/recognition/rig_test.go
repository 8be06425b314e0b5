package recognition_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/journal"
	"omr-relay/internal/omr"
	"omr-relay/internal/recognition"
	"omr-relay/internal/sandbox"
)

// service is a stand-in for the upstream that counts the submissions of each
// sheet, which is called by its content.
type service struct {
	*sandbox.Aspose

	mu        sync.Mutex // guards what follows
	submitted map[string]int
	polls     int
	// answer, if not nil, may answer a call in the stand-in's place, before it was
	// received; afterwards, if not nil, makes the answer to a call that was.
	answer     func(sheet string, r *http.Request) (*http.Response, error)
	afterwards func(sheet string, resp *http.Response) (*http.Response, error)
}

func newService() *service {
	return &service{Aspose: &sandbox.Aspose{}, submitted: map[string]int{}}
}

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	var task struct{ Images [][]byte }
	_ = json.Unmarshal(body, &task)
	sheet := ""
	if len(task.Images) > 0 {
		sheet = string(task.Images[0])
	}
	if s.answer != nil {
		if resp, err := s.answer(sheet, r); resp != nil || err != nil {
			return resp, err
		}
	}
	callrecord.From(r.Context()).Sent = true
	s.mu.Lock()
	if sheet != "" {
		s.submitted[sheet]++
	} else {
		s.polls++
	}
	s.mu.Unlock()
	r.Header.Set("Authorization", "Bearer any")
	resp, err := sandbox.InProcess(s.Aspose).RoundTrip(r)
	if err == nil && s.afterwards != nil {
		return s.afterwards(sheet, resp)
	}
	return resp, err
}

// once reports the sheets that were not submitted exactly once.
func (s *service) once(sheets int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for sheet, n := range s.submitted {
		if n != 1 {
			errs = append(errs, fmt.Errorf("%s was submitted %d times", sheet, n))
		}
	}
	if len(s.submitted) != sheets {
		errs = append(errs, fmt.Errorf("%d sheets of %d were submitted", len(s.submitted), sheets))
	}
	return errors.Join(errs...)
}

// says is an answer of its own.
func says(status int, header http.Header, body string) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}
}

func sheets(n int) []recognition.Sheet {
	all := make([]recognition.Sheet, n)
	for i := range all {
		name := fmt.Sprintf("sheet %d", i)
		all[i] = recognition.Sheet{Key: name, Document: omr.Bytes([]byte(name))}
	}
	return all
}

// config is of one run; the journal is the test's, or one of its own.
func config(t *testing.T, s *service, j *journal.Journal) recognition.Config {
	t.Helper()
	if j == nil {
		j = open(t, filepath.Join(t.TempDir(), "j"))
		t.Cleanup(func() { _ = j.Close() })
	}
	return recognition.Config{
		Client:  &omr.Client{Transport: s, BaseURL: &url.URL{Scheme: "http", Host: "upstream.test"}},
		Journal: j, Pattern: omr.Bytes([]byte("pattern")), Format: omr.CSV, Jobs: 4,
	}
}

func open(t *testing.T, path string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// statuses counts outcomes.
func statuses(outcomes []recognition.Outcome) string {
	counts := map[string]int{}
	for _, o := range outcomes {
		counts[o.Status]++
	}
	return strings.TrimPrefix(fmt.Sprint(counts), "map")
}
