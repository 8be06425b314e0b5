package lambdaruntime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"omr-relay/internal/lambdaruntime"
	"omr-relay/internal/lambdaruntime/lambdaruntimetest"
)

// streamFunc is a function in a Handler's place that writes its answer.
type streamFunc func(ctx context.Context, payload []byte, stream io.Writer) error

// serve is a lambdaruntime.Handler whose answers are streamed.
func (f streamFunc) serve(ctx context.Context, payload []byte) (lambdaruntime.Response, error) {
	return streamed{ctx, payload, f}, nil
}

type streamed struct {
	ctx     context.Context //nolint:containedctx // the invocation's
	payload []byte
	write   streamFunc
}

func (s streamed) Whole() ([]byte, bool)              { return nil, false }
func (s streamed) WriteTo(w io.Writer) (int64, error) { return 0, s.write(s.ctx, s.payload, w) }
func (s streamed) ContentType() string                { return streamedType }
func (s streamed) Done(error)                         {}

const streamedType = "application/vnd.awslambda.http-integration-response"

// TestStream sends what is written, and serves the next on the same connection.
func TestStream(t *testing.T) {
	api := startHandler(t, 1, streamFunc(func(_ context.Context, payload []byte, stream io.Writer) error {
		for piece := range strings.SplitSeq(string(payload), ",") {
			if n, err := io.WriteString(stream, piece); err != nil || n != len(piece) {
				return fmt.Errorf("wrote %d: %w", n, err)
			}
		}
		return nil
	}).serve)
	large := strings.Repeat("x", 3<<20)
	for _, payload := range []string{"one", "one,two,,three", "a," + large, "\x00\r\n0\r\n,b"} {
		got := invoke(t, api, payload, time.Second)
		if want := strings.ReplaceAll(payload, ",", ""); got.Failed || got.Broken != nil || got.Streamed != streamedType || string(got.Payload) != want {
			t.Errorf("%.20q: %.20q of %q, failed: %v, broken: %s", payload, got.Payload, got.Streamed, got.Failed, got.Broken)
		}
	}
	// Nothing written, nothing returned: an empty answer.
	if got := invoke(t, api, "", time.Second); got.Failed || got.Streamed != "" || len(got.Payload) != 0 {
		t.Errorf("nothing written: %+v", got)
	}
}

// TestStreamArrives has the API see each piece before the next is written.
func TestStreamArrives(t *testing.T) {
	seen := make(chan string)
	api := startHandler(t, 1, streamFunc(func(ctx context.Context, _ []byte, stream io.Writer) error {
		for _, piece := range []string{"one", "two"} {
			if _, err := io.WriteString(stream, piece); err != nil {
				return err
			}
			select {
			case got := <-seen:
				if got != piece {
					return errors.New("another piece: " + got)
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	}).serve)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got, err := api.Stream(ctx, nil, 10*time.Second, told(seen))
	if err != nil || got.Broken != nil || string(got.Payload) != "onetwo" {
		t.Errorf("%q, %s, %v", got.Payload, got.Broken, err)
	}
}

// told passes on what is written to it.
type told chan<- string

func (c told) Write(p []byte) (int, error) {
	c <- string(p)
	return len(p), nil
}

// TestBrokenStream says why, and serves the next.
func TestBrokenStream(t *testing.T) {
	api := startHandler(t, 1, streamFunc(func(_ context.Context, payload []byte, stream io.Writer) error {
		if _, err := stream.Write(payload); err != nil {
			return err
		}
		if string(payload) == "bad" {
			return &badEvent{}
		}
		return nil
	}).serve)
	got := invoke(t, api, "bad", time.Second)
	if want := `{"errorMessage":"a \"bad\" event","errorType":"badEvent"}`; got.Failed || string(got.Broken) != want || string(got.Payload) != "bad" {
		t.Errorf("%+v, want broken by %s", got, want)
	}
	if got := invoke(t, api, "good", time.Second); got.Broken != nil || string(got.Payload) != "good" {
		t.Errorf("afterwards: %+v", got)
	}
	// Nothing written yet: an error like any other.
	if got := invoke(t, startHandler(t, 1, streamFunc(func(context.Context, []byte, io.Writer) error { return &badEvent{} }).serve), "", time.Second); !got.Failed {
		t.Errorf("failed at first: %+v", got)
	}
}

// TestStreamThatPanics breaks the answer off, says so and is told so; then serving
// ends, as after a panic before the answer.
func TestStreamThatPanics(t *testing.T) {
	for name, first := range map[string]string{"at once": "", "after a piece": "begun"} {
		t.Run(name, func(t *testing.T) {
			api, err := lambdaruntimetest.Start()
			if err != nil {
				t.Fatal(err)
			}
			defer api.Close()
			done, served := 0, make(chan error, 1)
			write := streamFunc(func(_ context.Context, _ []byte, stream io.Writer) error {
				_, _ = io.WriteString(stream, first)
				panic(&badEvent{})
			})
			go func() {
				served <- lambdaruntime.Serve(t.Context(), api.Addr(), 1, func(ctx context.Context, payload []byte) (lambdaruntime.Response, error) {
					return counted{streamed{ctx, payload, write}, &done}, nil
				})
			}()
			got := invoke(t, api, "", time.Minute)
			if said := string(got.Broken) + string(got.Payload); got.Failed == (first != "") || !strings.Contains(said, `"errorType":"badEvent"`) {
				t.Errorf("%q, failed: %v, broken: %s", got.Payload, got.Failed, got.Broken)
			}
			if err := <-served; err == nil || !strings.HasPrefix(err.Error(), "the handler panicked at ") || done != 1 {
				t.Errorf("Serve returned %v; the answer was done with %d times", err, done)
			}
		})
	}
}

// counted counts how often the answer was done with.
type counted struct {
	streamed
	done *int
}

func (c counted) Done(error) { *c.done++ }

// TestStreamRefused serves the next event when the API does not take a stream to
// its end. After the first failure nothing more is sent.
func TestStreamRefused(t *testing.T) {
	for name, answer := range map[string]string{ // after the first chunk; the connection is closed then
		"closes":  "",
		"refuses": "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t)
			go func() {
				defer l.Close()
				buffer := make([]byte, 4096)
				for range 2 {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					_, _ = conn.Read(buffer)
					_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nLambda-Runtime-Deadline-Ms: %d\r\nContent-Length: 0\r\n\r\n", time.Now().Add(time.Minute).UnixMilli())
					_, _ = conn.Read(buffer)
					_, _ = io.WriteString(conn, answer)
					_ = conn.Close()
				}
			}()
			served := 0
			err := lambdaruntime.Serve(t.Context(), l.Addr().String(), 1, streamFunc(func(ctx context.Context, _ []byte, stream io.Writer) error {
				served++
				var failed error
				for ctx.Err() == nil && failed == nil {
					_, failed = stream.Write(make([]byte, 1<<16))
				}
				if n, again := stream.Write([]byte("x")); n != 0 || failed == nil || !errors.Is(again, failed) {
					t.Errorf("after %v: %d, %v", failed, n, again)
				}
				return failed
			}).serve)
			if served != 2 || err == nil || !strings.HasPrefix(err.Error(), "asking for the next invocation: ") {
				t.Errorf("served %d, Serve returned %v", served, err)
			}
		})
	}
}

// TestStreamNotAccepted ends serving when the API finds fault with a stream that it
// took to its end: whoever looks for the answer must find that it is lost.
func TestStreamNotAccepted(t *testing.T) {
	for name, status := range map[string]int{"container error": http.StatusInternalServerError, "cut off": 0} {
		polls := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
			switch {
			case r.Method == http.MethodGet:
				if polls++; polls > 1 {
					w.WriteHeader(http.StatusGone)
				}
			case status == 0:
				panic(http.ErrAbortHandler)
			default:
				w.WriteHeader(status)
			}
		}))
		err := lambdaruntime.Serve(t.Context(), server.Listener.Addr().String(), 1, streamFunc(func(_ context.Context, _ []byte, stream io.Writer) error {
			_, err := io.WriteString(stream, "whole")
			return err
		}).serve)
		if err == nil || !strings.HasPrefix(err.Error(), "sending an answer: ") {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
}

// TestStreamPastTheDeadline gives up an answer that the API does not take in time,
// and polls on another connection: this one is in the middle of a request.
func TestStreamPastTheDeadline(t *testing.T) {
	l := listen(t)
	conns := make(chan net.Conn, 2)
	go func() {
		defer l.Close()
		buffer := make([]byte, 4096)
		for range 2 {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns <- conn
			_, _ = conn.Read(buffer)
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nLambda-Runtime-Deadline-Ms: %d\r\nContent-Length: 0\r\n\r\n", time.Now().Add(400*time.Millisecond).UnixMilli())
		}
	}()
	var failed []error
	err := lambdaruntime.Serve(t.Context(), l.Addr().String(), 1, streamFunc(func(_ context.Context, _ []byte, stream io.Writer) error {
		for {
			if _, err := stream.Write(make([]byte, 64<<10)); err != nil {
				failed = append(failed, err)
				return err
			}
		}
	}).serve)
	if len(failed) != 2 || !errors.Is(failed[0], os.ErrDeadlineExceeded) || err == nil || !strings.HasPrefix(err.Error(), "asking for the next invocation: ") {
		t.Errorf("writing failed with %v, Serve returned %v", failed, err)
	}
	for range 2 {
		_ = (<-conns).Close()
	}
}

// TestStreamAfterClosedConnection dials anew for a stream when the API closed the
// connection that the event came on.
func TestStreamAfterClosedConnection(t *testing.T) {
	l := listen(t)
	defer l.Close()
	answers := make(chan string, 10)
	go serveClosing(l, func(c net.Conn, head string) {
		_, _ = io.WriteString(c, strings.Replace(head, "\r\n", "\r\nConnection: close\r\n", 1))
	}, answers)
	_ = lambdaruntime.Serve(t.Context(), l.Addr().String(), 1, streamFunc(func(_ context.Context, payload []byte, stream io.Writer) error {
		_, err := stream.Write(payload)
		return err
	}).serve)
	close(answers)
	var got []string
	for answer := range answers {
		got = append(got, answer)
	}
	if strings.Join(got, "|") != "event 1|event 2|event 3" {
		t.Errorf("answered %q", got)
	}
}

// startHandler serves h until the test ends and returns the API it serves from.
func startHandler(t *testing.T, n int, h lambdaruntime.Handler) *lambdaruntimetest.Server {
	t.Helper()
	api, err := lambdaruntimetest.Start()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- lambdaruntime.Serve(ctx, api.Addr(), n, h) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; !errors.Is(err, context.Canceled) {
			t.Errorf("Serve returned %v", err)
		}
		_ = api.Close()
	})
	return api
}
