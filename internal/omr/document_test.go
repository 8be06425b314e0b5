package omr_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
)

// A document that cannot be opened is found out before the call is made.
func TestDocumentThatCannotBeOpened(t *testing.T) {
	gone := &problem.Error{Code: problem.UploadNotFound}
	scan := omr.Document{Size: 9, Open: func() (io.ReadCloser, error) { return nil, gone }}
	ctx, record := callrecord.With(t.Context())
	_, err := client(answering(200, "id")).Submit(ctx, omr.Recognition, omr.NewRecognition(scan, omr.Bytes([]byte("pattern")), omr.CSV, nil))
	f, ok := errors.AsType[*omr.Failure](err)
	if !ok || f.MayHaveArrived || problem.From(err) != gone || record.UpstreamCalls != 0 || record.Billable != 0 {
		t.Errorf("%v, record %+v", err, record)
	}
}

// A document that breaks off takes the request with it: nobody has received a task,
// and it is not the upstream's connection that broke.
func TestDocumentThatBreaksOff(t *testing.T) {
	for name, broke := range map[string]error{
		"reset": syscall.ECONNRESET,
		// Of an end, but not the document's own.
		"ended early": &problem.Error{Code: problem.BucketUnavailable, Err: io.ErrUnexpectedEOF},
		"short":       io.EOF,
	} {
		for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
			t.Run(name+" "+protocol, func(t *testing.T) { breaksOff(t, protocol, broke) })
		}
	}
}

func breaksOff(t *testing.T, protocol string, broke error) {
	t.Helper()
	var whole atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			whole.Add(1)
		}
		_, _ = io.WriteString(w, "id")
	}))
	server.EnableHTTP2 = protocol == "HTTP/2"
	server.StartTLS()
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	sent := sentRecorder{server.Client().Transport}
	scan := omr.Document{Size: 1 << 20, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(make([]byte, 500<<10)), broken{broke})), nil
	}}
	ctx, _ := callrecord.With(t.Context())
	_, err = (&omr.Client{Transport: sent, BaseURL: base}).Submit(ctx, omr.Recognition, omr.NewRecognition(scan, omr.Bytes([]byte("pattern")), omr.CSV, nil))
	f, ok := errors.AsType[*omr.Failure](err)
	if !ok || f.MayHaveArrived || !errors.Is(err, broke) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v: %+v", err, f)
	}
	if whole.Load() != 0 {
		t.Error("the upstream has a whole task")
	}
}

// A document that lasts until the context ends is what failed, and not the upstream
// that waited for it, whichever of the two is noticed first.
func TestDocumentThatNeverCame(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ctx, _ = callrecord.With(ctx)
	reading, left := make(chan struct{}), make(chan struct{})
	late := &problem.Error{Code: problem.BucketUnavailable}
	scan := omr.Document{Size: 9, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(readFunc(func([]byte) (int, error) {
			close(reading)
			<-left
			return 0, late
		})), nil
	}}
	impatient := roundTrip(func(r *http.Request) (*http.Response, error) {
		callrecord.From(r.Context()).Sent = true
		go func() { _, _ = io.Copy(io.Discard, r.Body) }()
		<-reading
		cancel()
		time.AfterFunc(10*time.Millisecond, func() { close(left) })
		return nil, r.Context().Err()
	})
	_, err := client(impatient).Submit(ctx, omr.Recognition, omr.NewRecognition(scan, omr.Bytes([]byte("pattern")), omr.CSV, nil))
	f, ok := errors.AsType[*omr.Failure](err)
	if !ok || f.MayHaveArrived || problem.From(err) != late {
		t.Errorf("%v: %+v", err, f)
	}
}

type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// sentRecorder has taken every call.
type sentRecorder struct{ next http.RoundTripper }

func (s sentRecorder) RoundTrip(r *http.Request) (*http.Response, error) {
	callrecord.From(r.Context()).Sent = true
	return s.next.RoundTrip(r)
}
