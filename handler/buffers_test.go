package handler_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"omr-relay/handler"
)

// bare is a Handler whose transport gets the request itself.
func bare(upstream roundTrip) *handler.Handler {
	return handler.New(handler.Config{BaseURL: &url.URL{Scheme: "https", Host: "upstream.test"}, Relay: upstream, Streaming: true})
}

// TestLateReader has a transport go on reading a body after its call was
// answered, as net/http may: it sees its own caller's bytes, whatever calls
// come after, until it closes the body.
func TestLateReader(t *testing.T) {
	var late []io.ReadCloser
	f := bare(func(r *http.Request) (*http.Response, error) {
		late = append(late, r.Body)
		return respond(http.StatusOK, nil, "ok"), nil
	})
	const calls = 8
	body := func(i int) string { return strings.Repeat(string(rune('a'+i)), 10_000*(calls-i)) }
	for i := range calls {
		invoke(t, f, submitEvent().withBody(body(i)))
	}
	for i, reader := range late {
		got, err := io.ReadAll(reader)
		if err != nil || string(got) != body(i) {
			t.Errorf("call %d: another's bytes, or none: %d bytes, %v", i, len(got), err)
		}
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
		if n, err := reader.Read(make([]byte, 1)); n != 0 || err == nil || err == io.EOF {
			t.Errorf("call %d: reads on after Close: %d, %v", i, n, err)
		}
		if n, err := reader.(io.WriterTo).WriteTo(io.Discard); n != 0 || err == nil {
			t.Errorf("call %d: writes on after Close: %d, %v", i, n, err)
		}
		if err := reader.Close(); err != nil { // a second one lets go of nobody else's
			t.Error(err)
		}
	}
}

// TestBuffersAreApart runs many calls at once, each with a body and an answer
// of its own and of another size, and mixes up none.
func TestBuffersAreApart(t *testing.T) {
	f := bare(func(r *http.Request) (*http.Response, error) {
		defer r.Body.Close()
		var echo bytes.Buffer
		if _, err := io.Copy(&echo, r.Body); err != nil {
			return nil, err
		}
		return respond(http.StatusOK, nil, echo.String()), nil
	})
	var wg sync.WaitGroup
	for caller := range 16 {
		wg.Go(func() {
			for round := range 12 {
				body := strings.Repeat(string(rune('A'+caller)), (round*7919+caller*104729)%200_000)
				out, err := f.Invoke(t.Context(), submitEvent().withBody(body).payload())
				if err != nil {
					t.Error(err)
					return
				}
				if !bytes.Contains(out, []byte(`"body":"`+body+`"}`)) {
					t.Errorf("caller %d, round %d: another answer", caller, round)
				}
				var streamed bytes.Buffer
				if _, err := serveTo(f, t.Context(), submitEvent().withBody(body).payload(), &streamed); err != nil || !strings.HasSuffix(streamed.String(), "\x00"+body) {
					t.Errorf("caller %d, round %d: another answer is streamed: %v", caller, round, err)
				}
			}
		})
	}
	wg.Wait()
}

// TestReplyOfAnyLength reads answers that name their length and that do not.
func TestReplyOfAnyLength(t *testing.T) {
	for _, size := range []int{0, 1, 511, 512, 513, 100_000} {
		for _, declared := range []int64{-1, int64(size)} {
			body := strings.Repeat("x", size)
			f := newFixture(func(*http.Request) (*http.Response, error) {
				r := respond(http.StatusOK, nil, body)
				r.ContentLength = declared
				r.Body = io.NopCloser(onebyone{strings.NewReader(body)})
				return r, nil
			})
			if r := invoke(t, f, resultEvent()); string(r.body) != body {
				t.Errorf("%d bytes, declared as %d: got %d", size, declared, len(r.body))
			}
		}
	}
}

// onebyone gives its bytes in pieces, and the end apart from the last.
type onebyone struct{ io.Reader }

func (o onebyone) Read(p []byte) (int, error) { return o.Reader.Read(p[:min(len(p), 1000)]) }
