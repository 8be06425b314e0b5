package lambdaruntime_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"omr-relay/internal/lambdaruntime"
	"omr-relay/internal/lambdaruntime/lambdaruntimetest"
)

// handlerFunc is a function in a Handler's place.
type handlerFunc func(ctx context.Context, payload, dst []byte) ([]byte, error)

// serve is a lambdaruntime.Handler whose answers go whole.
func (f handlerFunc) serve(ctx context.Context, payload []byte) (lambdaruntime.Response, error) {
	answer, err := f(ctx, payload, nil)
	if err != nil {
		return nil, err
	}
	return whole(answer), nil
}

// whole is an answer in one piece.
type whole []byte

func (w whole) Whole() ([]byte, bool)            { return w, true }
func (w whole) WriteTo(io.Writer) (int64, error) { panic("it goes whole") }
func (w whole) ContentType() string              { return "application/json" }
func (w whole) Done(error)                       {}

// badEvent has a name for Lambda to show.
type badEvent struct{}

func (*badEvent) Error() string { return "a \"bad\" event" }

// start serves h until the test ends and returns the API it serves from.
func start(t *testing.T, n int, h handlerFunc) *lambdaruntimetest.Server {
	return startHandler(t, n, h.serve)
}

// listen is a Runtime API's end without the API.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func invoke(t *testing.T, api *lambdaruntimetest.Server, payload string, timeout time.Duration) lambdaruntimetest.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	result, err := api.Invoke(ctx, []byte(payload), timeout)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// TestEventsOfAllSizes reuses the buffers up and down, and mixes up nothing.
func TestEventsOfAllSizes(t *testing.T) {
	api := start(t, 1, func(_ context.Context, payload, dst []byte) ([]byte, error) {
		return append(append(dst, "got "...), payload...), nil
	})
	for i, size := range []int{0, 1, 6 << 20, 10, 5_000, 1 << 20, 2} {
		payload := strings.Repeat(string(rune('a'+i)), size)
		if got := invoke(t, api, payload, time.Second); got.Failed || string(got.Payload) != "got "+payload {
			t.Errorf("%d bytes: %d came back, failed: %v", size, len(got.Payload), got.Failed)
		}
	}
}

// TestContext has each invocation know its id, function and deadline.
func TestContext(t *testing.T) {
	api := start(t, 1, func(ctx context.Context, _, dst []byte) ([]byte, error) {
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		return fmt.Appendf(dst, "%s %s %d", lc.AwsRequestID, lc.InvokedFunctionArn, time.Until(deadline).Round(time.Minute)/time.Minute), nil
	})
	for _, want := range []string{"1 ", "2 "} {
		got := string(invoke(t, api, "{}", 3*time.Minute).Payload)
		if id, rest, _ := strings.Cut(got, "arn:"); !strings.HasSuffix(id, want) || !strings.HasSuffix(rest, ":live 3") {
			t.Errorf("got %q", got)
		}
	}
}

// TestErrors reports a failed invocation as Lambda's own libraries do, and
// serves the next.
func TestErrors(t *testing.T) {
	api := start(t, 1, func(_ context.Context, payload, dst []byte) ([]byte, error) {
		switch string(payload) {
		case "pointer":
			return nil, &badEvent{}
		case "wrapped":
			return nil, fmt.Errorf("wrapping: %w", io.EOF)
		}
		return append(dst, "fine"...), nil
	})
	for payload, want := range map[string]string{
		"pointer": `{"errorMessage":"a \"bad\" event","errorType":"badEvent"}`,
		"wrapped": `{"errorMessage":"wrapping: EOF","errorType":"wrapError"}`,
	} {
		if got := invoke(t, api, payload, time.Second); !got.Failed || string(got.Payload) != want {
			t.Errorf("%s: %s, failed: %v", payload, got.Payload, got.Failed)
		}
		if got := invoke(t, api, "", time.Second); got.Failed || string(got.Payload) != "fine" {
			t.Errorf("after %s: %s", payload, got.Payload)
		}
	}
}

// TestManyAtOnce runs as many invocations in parallel as it was told.
func TestManyAtOnce(t *testing.T) {
	const n = 8
	var running atomic.Int32
	all := make(chan struct{})
	api := start(t, n, func(ctx context.Context, payload, dst []byte) ([]byte, error) {
		if running.Add(1) == n {
			close(all)
		}
		select {
		case <-all:
			return append(dst, payload...), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			payload := fmt.Sprint("event ", i)
			if got := invoke(t, api, payload, 10*time.Second); got.Failed || string(got.Payload) != payload {
				t.Errorf("%s: %s", payload, got.Payload)
			}
		})
	}
	wg.Wait()
}

// TestClosingAPI serves from an API that closes the connection after each
// answer, saying so, or not, or speaking HTTP/1.0, and sends events in chunks.
func TestClosingAPI(t *testing.T) {
	for name, how := range map[string]func(net.Conn, string){
		"Connection: close": func(c net.Conn, head string) {
			_, _ = io.WriteString(c, strings.Replace(head, "\r\n", "\r\nConnection: close\r\n", 1))
		},
		"without a word": func(c net.Conn, head string) { _, _ = io.WriteString(c, head) },
		"HTTP/1.0": func(c net.Conn, head string) {
			_, _ = io.WriteString(c, strings.Replace(head, "HTTP/1.1", "HTTP/1.0", 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t)
			defer l.Close()
			answers := make(chan string, 10)
			go serveClosing(l, how, answers)
			err := lambdaruntime.Serve(t.Context(), l.Addr().String(), 1, handlerFunc(func(_ context.Context, payload, dst []byte) ([]byte, error) {
				return append(append(dst, "re: "...), payload...), nil
			}).serve)
			if err == nil {
				t.Error("Serve returned no error")
			}
			close(answers)
			var got []string
			for answer := range answers {
				got = append(got, answer)
			}
			if strings.Join(got, "|") != "re: event 1|re: event 2|re: event 3" {
				t.Errorf("answered %q", got)
			}
		})
	}
}

// serveClosing gives three events, one request a connection, and then goes away.
func serveClosing(l net.Listener, how func(net.Conn, string), answers chan<- string) {
	defer l.Close()
	for n := 0; n < 3; {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		req, body := readRequest(conn)
		if req == nil {
			_ = conn.Close()
			continue
		}
		if req.Method == http.MethodGet {
			event := fmt.Sprint("event ", n+1)
			how(conn, fmt.Sprintf("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: %d\r\nLambda-Runtime-Deadline-Ms: %d\r\nContent-Length: %d\r\n\r\n%s",
				n, time.Now().Add(time.Minute).UnixMilli(), len(event), event))
		} else {
			n++
			answers <- body
			how(conn, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
		}
		_ = conn.Close()
	}
}

func readRequest(conn net.Conn) (*http.Request, string) {
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return nil, ""
	}
	body, _ := io.ReadAll(req.Body)
	return req, string(body)
}

// TestTooLarge goes on when the API finds an answer too large.
func TestTooLarge(t *testing.T) {
	var events atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		case events.Add(1) > 3:
			w.WriteHeader(http.StatusGone)
		default:
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
		}
	}))
	defer server.Close()
	err := lambdaruntime.Serve(t.Context(), server.Listener.Addr().String(), 1, handlerFunc(func(_ context.Context, _, dst []byte) ([]byte, error) {
		return append(dst, "large"...), nil
	}).serve)
	if err == nil || err.Error() != "asking for the next invocation: the Runtime API answered 410" || events.Load() != 4 {
		t.Errorf("after %d events: %v", events.Load(), err)
	}
}

// TestOddAPI ends serving when the API does not speak its own language, and
// reads events that come in chunks.
func TestOddAPI(t *testing.T) {
	deadline := strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10)
	for name, test := range map[string]struct {
		next, response http.HandlerFunc
		want           string
	}{
		"refuses to give": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, nil,
			"asking for the next invocation: the Runtime API answered 403"},
		"no deadline": {func(_ http.ResponseWriter, _ *http.Request) {}, nil,
			"asking for the next invocation: the Runtime API named no deadline"},
		"event cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			panic(http.ErrAbortHandler)
		}, nil,
			"asking for the next invocation: "},
		"refuses the answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Lambda-Runtime-Deadline-Ms", deadline)
			_, _ = w.Write(bytes.Repeat([]byte("x"), 100_000)) // too much to be counted beforehand
		}, func(w http.ResponseWriter, r *http.Request) {
			if body, _ := io.ReadAll(r.Body); len(body) != 100_000 {
				panic(fmt.Sprint("an answer of ", len(body)))
			}
			w.WriteHeader(http.StatusForbidden)
		}, "sending an answer: the Runtime API answered 403"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					test.next(w, r)
				} else {
					test.response(w, r)
				}
			}))
			defer server.Close()
			err := lambdaruntime.Serve(t.Context(), server.Listener.Addr().String(), 1, handlerFunc(func(_ context.Context, payload, dst []byte) ([]byte, error) {
				return append(dst, payload...), nil
			}).serve)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("Serve returned %v, want %s", err, test.want)
			}
		})
	}
	if err := lambdaruntime.Serve(t.Context(), "127.0.0.1:1", 2, nil); err == nil {
		t.Error("no API: no error")
	}
}
