package omr

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

	"omr-relay/internal/problem"
)

// Document is a file that goes upstream. It is opened anew for each time that it
// is sent: a call is made again after a 401.
type Document struct {
	// Size is how many bytes there are.
	Size int64
	// Open returns them. Both ends may be in different goroutines, and Close is
	// called once. Where the first document of a task cannot be opened, no call is
	// made.
	Open func() (io.ReadCloser, error)
}

// Bytes returns a Document of bytes that nobody changes any more.
func Bytes(data []byte) Document {
	return Document{Size: int64(len(data)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	}}
}

// Format is what a recognition's result is to be.
type Format string

// The formats.
const (
	CSV  Format = "CSV"
	JSON Format = "JSON"
	XML  Format = "XML"
)

// Task is the JSON of a submission. Its documents are read, and encoded as
// base64, while it is sent: it takes no memory of its own, and its length is
// known. A Task does not change and is safe for concurrent use.
type Task struct {
	pieces []piece
	size   int64
}

// piece is JSON as it stands or, if text is empty, a document.
type piece struct {
	text     string
	document Document
}

func (t *Task) text(s string) {
	t.pieces = append(t.pieces, piece{text: s})
	t.size += int64(len(s))
}

func (t *Task) document(d Document) {
	t.text(`"`)
	if d.Size > 0 {
		t.pieces = append(t.pieces, piece{document: d})
		t.size += (d.Size + 2) / 3 * 4
	}
	t.text(`"`)
}

// NewRecognition returns the task of recognizing image by pattern. threshold is a
// percentage; nil leaves it to the upstream.
func NewRecognition(image, pattern Document, format Format, threshold *int) *Task {
	t := &Task{}
	t.text(`{"images":[`)
	t.document(image)
	t.text(`],"omrFile":`)
	t.document(pattern)
	t.text(`,"outputFormat":"` + string(format) + `"`)
	if threshold != nil {
		t.text(`,"recognitionThreshold":` + strconv.Itoa(*threshold))
	}
	t.text(`}`)
	return t
}

// Named is a picture that the markup of a form speaks of by its name.
type Named struct {
	Name string
	Document
}

// NewGeneration returns the task of making a form of its markup. settings are a
// JSON object, or none.
func NewGeneration(markup Document, images []Named, settings []byte) *Task {
	t := &Task{}
	t.text(`{"MarkupFile":`)
	t.document(markup)
	if len(images) > 0 {
		t.text(`,"Images":{`)
		for i, image := range images {
			if i > 0 {
				t.text(`,`)
			}
			name, _ := json.Marshal(image.Name) // a string always marshals
			t.text(string(name) + `:`)
			t.document(image.Document)
		}
		t.text(`}`)
	}
	if len(settings) > 0 {
		t.text(`,"settings":` + string(settings))
	}
	t.text(`}`)
	return t
}

// open returns the task's text from its beginning. The first document is opened
// already: what cannot be had must not leave half a request with the upstream.
func (t *Task) open() (*taskReader, error) {
	r := &taskReader{rest: t.pieces, encoded: make([]byte, 0, encodedChunk)}
	for _, p := range t.pieces {
		if p.text == "" {
			document, err := p.document.Open()
			if err != nil {
				return nil, &documentError{fmt.Errorf("opening a document: %w", err)}
			}
			r.first = document
			break
		}
	}
	return r, nil
}

// documentError is that of a document, apart from those of the connection that it
// goes out on. It does not unwrap: a connection that broke off there is none that a
// transport knows.
type documentError struct{ err error }

func (e *documentError) Error() string    { return "a document: " + problem.Describe(e.err) }
func (e *documentError) SafeText() string { return e.Error() }

// sending is a task that goes out, once or, after a 401, once more.
type sending struct {
	task *Task

	mu     sync.Mutex // guards latest
	latest *taskReader
}

// open is the task's, as a body and as GetBody.
func (s *sending) open() (io.ReadCloser, error) {
	body, err := s.task.open()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest = body
	return body, nil
}

// fault returns the error of the document that was being read, if there is one. It
// waits for a read under way: it is for when the context has ended, which reads do
// not outlast.
func (s *sending) fault() error {
	s.mu.Lock()
	latest := s.latest
	s.mu.Unlock()
	latest.mu.Lock()
	defer latest.mu.Unlock()
	return latest.failed
}

func documentFault(err error) error {
	if e, ok := errors.AsType[*documentError](err); ok {
		return e.err
	}
	return err
}

// Whole groups of three bytes: what lies between has no padding.
const (
	chunk        = 12 << 10
	encodedChunk = chunk / 3 * 4
)

// taskReader reads the pieces one after another. A transport may close it while
// it reads, and after its RoundTrip has returned.
type taskReader struct {
	mu      sync.Mutex // guards what follows
	failed  error      // of a document
	rest    []piece
	first   io.ReadCloser // the first document; nil once its turn has come
	current io.ReadCloser // the document that rest begins with; nil if it is not open
	left    int64         // of current
	ready   []byte        // encoded, and not taken yet
	encoded []byte        // room for ready
	plain   [chunk]byte
	closed  bool
}

var errClosed = errors.New("reading a closed task")

func (r *taskReader) Read(p []byte) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n < len(p) {
		if len(r.ready) == 0 {
			if err = r.fill(); err != nil {
				break
			}
		}
		copied := copy(p[n:], r.ready)
		n, r.ready = n+copied, r.ready[copied:]
	}
	if n > 0 {
		return n, nil
	}
	return 0, err
}

// fill makes more ready.
func (r *taskReader) fill() error {
	switch {
	case r.closed:
		return errClosed
	case r.failed != nil:
		return &documentError{r.failed}
	case len(r.rest) == 0:
		return io.EOF
	case r.rest[0].text != "":
		r.ready, r.rest = []byte(r.rest[0].text), r.rest[1:]
		return nil
	}
	if r.current == nil {
		r.current, r.first, r.left = r.first, nil, r.rest[0].document.Size
	}
	if r.current == nil {
		document, err := r.rest[0].document.Open()
		if err != nil {
			return r.fail(fmt.Errorf("opening a document: %w", err))
		}
		r.current, r.left = document, r.rest[0].document.Size
	}
	// By its size: the error of a document that breaks off may be one of an end.
	n, err := io.ReadFull(r.current, r.plain[:min(chunk, r.left)])
	if err != nil {
		return r.fail(fmt.Errorf("reading a document: %w", err))
	}
	if r.left -= int64(n); r.left == 0 {
		r.current.Close()
		r.current, r.rest = nil, r.rest[1:]
	}
	r.ready = base64.StdEncoding.AppendEncode(r.encoded[:0], r.plain[:n])
	return nil
}

func (r *taskReader) fail(err error) error {
	r.failed = err
	return &documentError{err}
}

func (r *taskReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, document := range []io.Closer{r.first, r.current} {
		if document != nil {
			document.Close()
		}
	}
	r.first, r.current = nil, nil
	r.closed, r.ready = true, nil
	return nil
}
