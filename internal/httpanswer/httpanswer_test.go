package httpanswer_test

import (
	"errors"
	"io"
	"net/http"
	"reflect"
	"testing"

	"omr-relay/internal/httpanswer"
	"omr-relay/internal/problem"
)

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

// TestNoInformationalAnswerIsFinal: whatever net/http, or who stands in
// for it, hands over as the answer.
func TestNoInformationalAnswerIsFinal(t *testing.T) {
	for status := 100; status < 600; status++ {
		body := &closing{}
		resp, err := new(httpanswer.Watch).Final(&http.Response{StatusCode: status, Body: body}, nil)
		if status >= 200 {
			if err != nil || resp == nil || body.closed {
				t.Errorf("%d: %v", status, err)
			}
			continue
		}
		var ours *httpanswer.Error
		if !errors.As(err, &ours) || ours.RetryableError() || resp != nil || !body.closed {
			t.Errorf("%d: %v, closed: %v", status, err, body.closed)
		}
	}
}

func TestInformationalAnswersArePassedOver(t *testing.T) {
	w := new(httpanswer.Watch)
	for i := range 16 {
		if err := w.Got1xx(102+i%2, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Final(nil, io.EOF); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
	if err := w.Got1xx(103, nil); err == nil {
		t.Error("endless")
	}
	if _, err := w.Final(nil, io.EOF); err == nil || problem.Describe(err) != "the answer is 103 where a final one was expected" {
		t.Errorf("got %v", err)
	}
}

func TestAskPlain(t *testing.T) {
	header := http.Header{"Accept": {"*/*"}, "Range": {"bytes=0-1"}, "Accept-Encoding": {"br", "gzip"}}
	httpanswer.AskPlain(header)
	if want := (http.Header{"Accept": {"*/*"}, "Accept-Encoding": {"identity"}}); !reflect.DeepEqual(header, want) {
		t.Errorf("got %v", header)
	}
}
