package lambdaruntime_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
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

// TestEventsOfAllSizes reuses the buffers up and down, and mixes up nothing,
// whichever chunks the events come in.
func TestEventsOfAllSizes(t *testing.T) {
	for _, chunks := range []int{0, 1000} {
		api := start(t, 1, func(_ context.Context, payload, dst []byte) ([]byte, error) {
			return append(append(dst, "got "...), payload...), nil
		})
		api.ChunkSize = chunks
		for i, size := range []int{0, 1, 6 << 20, 10, 2048, 2049, 1 << 20, 2} {
			payload := strings.Repeat(string(rune('a'+i)), size)
			if got := invoke(t, api, payload, time.Second); got.Failed || string(got.Payload) != "got "+payload {
				t.Errorf("%d bytes: %d came back, failed: %v", size, len(got.Payload), got.Failed)
			}
		}
	}
}

// send is invoke with more to the event.
func send(t *testing.T, api *lambdaruntimetest.Server, event lambdaruntimetest.Event) lambdaruntimetest.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	event.Timeout = 3 * time.Minute
	result, err := api.Send(ctx, event, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// TestContext has each invocation know what the API tells of it.
func TestContext(t *testing.T) {
	api := start(t, 1, func(ctx context.Context, _, dst []byte) ([]byte, error) {
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		return fmt.Appendf(dst, "%v %d %v %s", *lc, time.Until(deadline).Round(time.Minute)/time.Minute,
			ctx.Value("x-amzn-trace-id"), os.Getenv("_X_AMZN_TRACE_ID")), nil
	})
	t.Setenv("_X_AMZN_TRACE_ID", "before")
	const function = "arn:aws:lambda:eu-west-1:123456789012:function:omr-relay:live"
	for want, event := range map[string]lambdaruntimetest.Event{
		function + " { } {{   } map[] map[]} } 3 one one": {TraceID: "one"},
		function + " {an identity a pool} {{ a title  } map[locale:de] map[nested:{\"a\":1}]} a tenant} 3 two two": {
			TraceID: "two", TenantID: "a tenant",
			ClientContext:   `{"client":{"app_title":"a title"},"env":{"locale":"de"},"custom":{"nested":{"a":1}}}`,
			CognitoIdentity: `{"cognitoIdentityId":"an identity","cognitoIdentityPoolId":"a pool"}`,
		},
	} {
		got := string(send(t, api, event).Payload)
		if id, rest, _ := strings.Cut(got, " "); len(id) < 30 || !strings.HasPrefix(id, "{0000") || rest != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestTracesOfMany: a variable of the process cannot tell of one among several.
func TestTracesOfMany(t *testing.T) {
	t.Setenv("_X_AMZN_TRACE_ID", "before")
	api := start(t, 2, func(ctx context.Context, _, dst []byte) ([]byte, error) {
		return fmt.Appendf(dst, "%v %s", ctx.Value("x-amzn-trace-id"), os.Getenv("_X_AMZN_TRACE_ID")), nil
	})
	if got := send(t, api, lambdaruntimetest.Event{TraceID: "one"}); string(got.Payload) != "one before" {
		t.Errorf("got %s", got.Payload)
	}
}

// TestFaultyEvents are errors of their own invocations.
func TestFaultyEvents(t *testing.T) {
	api := start(t, 1, func(_ context.Context, payload, dst []byte) ([]byte, error) { return append(dst, payload...), nil })
	for want, event := range map[string]lambdaruntimetest.Event{
		"the Runtime API named no deadline":                 {NoDeadline: true},
		"the caller's context is not the JSON it should be": {ClientContext: "secret"},
		"an event of more than 6356992 bytes":               {Payload: make([]byte, 7<<20)},
	} {
		got := send(t, api, event)
		if text := `{"errorMessage":"` + want + `","errorType":"errorString"}`; !got.Failed || string(got.Payload) != text {
			t.Errorf("%s, failed: %v, want %s", got.Payload, got.Failed, text)
		}
		if got := invoke(t, api, "fine", time.Second); got.Failed || string(got.Payload) != "fine" {
			t.Errorf("after %s: %s", want, got.Payload)
		}
	}
}

// TestPanic tells Lambda and X-Ray where, and nobody what; then serving ends, but
// not before the calls of others have been answered.
func TestPanic(t *testing.T) {
	api, err := lambdaruntimetest.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	begun, release := make(chan struct{}), make(chan struct{})
	served := make(chan error, 1)
	go func() {
		served <- lambdaruntime.Serve(t.Context(), api.Addr(), 3, handlerFunc(func(ctx context.Context, payload, dst []byte) ([]byte, error) {
			if string(payload) == "panic" {
				panic(&badEvent{})
			}
			close(begun)
			select {
			case <-release:
			case <-ctx.Done():
			}
			return append(dst, "an answer"...), ctx.Err()
		}).serve)
	}()
	waiting(t, api, 3)
	other := make(chan lambdaruntimetest.Result, 1)
	go func() {
		got, err := api.Invoke(t.Context(), []byte("wait"), time.Minute)
		if err != nil {
			t.Error(err)
		}
		other <- got
	}()
	<-begun
	got := invoke(t, api, "panic", time.Minute)
	const stack = `{"path":"`
	if text := string(got.Payload); !got.Failed || !strings.HasPrefix(text, `{"errorMessage":"the handler panicked at `) ||
		!strings.Contains(text, `lambdaruntime_test.go:`) || !strings.Contains(text, `"errorType":"badEvent","stackTrace":[`+stack) ||
		!strings.Contains(text, `"label":"TestPanic`) || strings.Contains(text, "bad\\\" event") {
		t.Errorf("%s, failed: %v", text, got.Failed)
	}
	var cause struct {
		Dir        string `json:"working_directory"`
		Exceptions []struct {
			Type, Message string
			Stack         []struct{ Path, Label string }
		}
		Paths []string
	}
	if err := json.Unmarshal([]byte(got.Cause), &cause); err != nil || cause.Dir == "" || len(cause.Exceptions) != 1 || len(cause.Paths) == 0 ||
		cause.Exceptions[0].Type != "badEvent" || len(cause.Exceptions[0].Stack) < 3 {
		t.Errorf("%v: %s", err, got.Cause)
	}
	waiting(t, api, 0) // the third loop polls no more
	close(release)
	if got := <-other; got.Failed || string(got.Payload) != "an answer" {
		t.Errorf("%s, failed: %v", got.Payload, got.Failed)
	}
	if err := <-served; err == nil || !strings.HasPrefix(err.Error(), "the handler panicked at ") {
		t.Errorf("Serve returned %v", err)
	}
}

// waiting waits until so many polls have got no invocation yet.
func waiting(t *testing.T, api *lambdaruntimetest.Server, polls int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); api.Waiting() != polls; {
		if time.Now().After(deadline) {
			t.Fatalf("%d polls wait, want %d", api.Waiting(), polls)
		}
		<-time.After(time.Millisecond)
	}
}

// TestEndOfServing polls no more when ctx ends, and lets the call under way end.
func TestEndOfServing(t *testing.T) {
	api, err := lambdaruntimetest.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	serving, end := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- lambdaruntime.Serve(serving, api.Addr(), 1, handlerFunc(func(ctx context.Context, _, dst []byte) ([]byte, error) {
			end()
			return append(dst, "an answer"...), ctx.Err()
		}).serve)
	}()
	if got := invoke(t, api, "", time.Second); got.Failed || string(got.Payload) != "an answer" {
		t.Errorf("%s, failed: %v", got.Payload, got.Failed)
	}
	if err := <-served; !errors.Is(err, context.Canceled) {
		t.Errorf("Serve returned %v", err)
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
	for payload, want := range map[string][2]string{
		"pointer": {"badEvent", `a \"bad\" event`},
		"wrapped": {"wrapError", "wrapping: EOF"},
	} {
		got := invoke(t, api, payload, time.Second)
		if text := `{"errorMessage":"` + want[1] + `","errorType":"` + want[0] + `"}`; !got.Failed || string(got.Payload) != text {
			t.Errorf("%s: %s, failed: %v", payload, got.Payload, got.Failed)
		}
		if cause := `"exceptions":[{"type":"` + want[0] + `","message":"` + want[1] + `","stack":[]}],"paths":[]}`; !strings.HasSuffix(got.Cause, cause) {
			t.Errorf("%s: X-Ray is told %s", payload, got.Cause)
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
