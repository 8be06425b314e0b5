package handler_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/handler"
	"omr-relay/internal/app"
	"omr-relay/internal/sandbox"
)

// responder is a Handler, or what holds one.
type responder interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
	Respond(ctx context.Context, payload []byte) (*handler.Response, error)
}

// serveTo returns an answer that goes whole and writes one that is streamed to w,
// as the runtime does. Without w nothing is streamed.
func serveTo(h responder, ctx context.Context, payload []byte, w io.Writer) ([]byte, error) { //nolint:revive // the order in which it reads
	if w == nil {
		return h.Invoke(ctx, payload)
	}
	response, err := h.Respond(ctx, payload)
	if err != nil {
		return nil, err
	}
	whole, ok := response.Whole()
	if ok {
		whole = bytes.Clone(whole)
	} else {
		_, err = response.WriteTo(w)
	}
	response.Done(err)
	return whole, err
}

// streaming is a fixture whose answers can be streamed.
func streaming(upstream roundTrip) *fixture {
	return fixtureOf(handler.Config{Relay: upstream, Streaming: true})
}

// streamingOn is the whole relay with its real token path; upstream stands in
// the connection's place.
func streamingOn(t *testing.T, upstream roundTrip) *wired {
	t.Helper()
	w := &wired{Sandbox: sandbox.New()}
	cfg := w.config(t, "https://upstream.test")
	cfg.Streaming = true
	w.Handler = app.New(cfg, w.inProcess(func(http.RoundTripper) http.RoundTripper { return upstream })).Handler
	return w
}

// pieces is a body of which each Read gives one, and then err.
type pieces struct {
	rest []string
	err  error
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, p.err
	}
	n := copy(b, p.rest[0])
	if p.rest[0] = p.rest[0][n:]; p.rest[0] == "" {
		p.rest = p.rest[1:]
	}
	return n, nil
}

func (p *pieces) Close() error { return nil }

// inPieces answers 200 with them.
func inPieces(err error, rest ...string) roundTrip {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: -1,
			Body: &pieces{rest: slices.Clone(rest), err: err}}, nil
	}
}

// writes keeps what was written, each Write apart, and fails after some.
type writes struct {
	made [][]byte
	left int // until it fails; negative is never
}

func (w *writes) Write(p []byte) (int, error) {
	if w.left == 0 {
		return 0, errors.New(canary)
	}
	w.left--
	w.made = append(w.made, bytes.Clone(p))
	return len(p), nil
}

// head is what a streamed answer begins with.
type head struct {
	StatusCode        int                 `json:"statusCode"`
	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
}

// stream sends the event through h and takes what it streamed apart.
func stream(t *testing.T, h *handler.Handler, e event) (head, []byte, error) {
	t.Helper()
	out := &writes{left: -1}
	answer, err := serveTo(h, withID(t.Context()), e.payload(), out)
	if answer != nil {
		t.Fatalf("answered %s besides", answer)
	}
	first, body, ok := bytes.Cut(slices.Concat(out.made...), make([]byte, 8))
	if !ok {
		t.Fatalf("no delimiter in %q", out.made)
	}
	var got head
	dec := json.NewDecoder(bytes.NewReader(first))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&got); err != nil {
		t.Fatalf("%v in %s", err, first)
	}
	return got, body, err
}

// streamProblem wants a problem document as the whole answer.
func streamProblem(t *testing.T, h *handler.Handler, e event, status int, code string) {
	t.Helper()
	got, body, err := stream(t, h, e)
	if err != nil {
		t.Errorf("the answer broke off: %v", err)
	}
	wantProblem(t, reply{StatusCode: got.StatusCode, Headers: got.Headers, body: body}, status, code)
}

// What can be streamed is: as it is, whatever bytes it is made of.
func TestStreamedAnswer(t *testing.T) {
	binary := "\x00\x00\x00\x00\x00\x00\x00\x00\xff\"\\" + strings.Repeat("\x01", 100_000)
	for kind, e := range map[string]event{"rest": resultEvent(), "url": functionURLEvent()} {
		f := streaming(func(*http.Request) (*http.Response, error) {
			return respond(http.StatusTeapot, http.Header{
				"Content-Type": {"image/png"}, "X-Two": {"a", "b"}, "Set-Cookie": {"id=1"}, "Connection": {"close"},
			}, binary), nil
		})
		got, body, err := stream(t, f.Handler, e)
		if err != nil || got.StatusCode != http.StatusTeapot || string(body) != binary || got.Headers["Content-Type"] != "image/png" {
			t.Errorf("%s: %v, %+v, %d bytes", kind, err, got, len(body))
		}
		two := strings.Join(got.MultiValueHeaders["X-Two"], "|") + got.Headers["X-Two"]
		if want := map[string]string{"rest": "a|b", "url": "a, b"}[kind]; two != want || len(got.Headers)+len(got.MultiValueHeaders) != 2 {
			t.Errorf("%s: headers %v and %v", kind, got.Headers, got.MultiValueHeaders)
		}
		if log := f.out.String(); !strings.Contains(log, `"status":418,`) || !strings.Contains(log, `"bytes_out":100011,`) {
			t.Errorf("%s: logged %s", kind, log)
		}
	}
}

// What takes no stream gets its answer whole.
func TestNotStreamed(t *testing.T) {
	for name, test := range map[string]struct {
		streaming bool
		to        io.Writer
		payload   []byte
	}{
		"HTTP API":    {true, &writes{}, httpEvent(http.MethodGet, resultPath).payload()},
		"warm-up":     {true, &writes{}, []byte(warmUps["rule"])},
		"not asked":   {false, &writes{}, resultEvent().payload()},
		"nowhere":     {true, nil, resultEvent().payload()},
		"unsupported": {true, &writes{}, []byte("[]")},
	} {
		f := fixtureOf(handler.Config{Relay: inPieces(io.EOF, "ok"), Streaming: test.streaming})
		got, err := serveTo(f, withID(t.Context()), test.payload, test.to)
		if (err != nil) != (name == "unsupported") || err == nil && !json.Valid(got) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

// The relay's own answers are streamed too: API Gateway expects the format.
func TestOwnAnswersAreStreamed(t *testing.T) {
	f := streaming(func(*http.Request) (*http.Response, error) { return nil, errors.New(canary) })
	got, body, err := stream(t, f.Handler, restEvent(http.MethodGet, "/healthz"))
	if err != nil || got.StatusCode != http.StatusOK || string(body) != `{"status":"ok"}` || got.Headers["Content-Type"] != "application/json" {
		t.Errorf("%v, %+v, %s", err, got, body)
	}
	streamProblem(t, f.Handler, restEvent(http.MethodGet, "/nowhere"), http.StatusNotFound, "route_not_found")
	streamProblem(t, f.Handler, resultEvent(), http.StatusBadGateway, "upstream_unreachable")
	streamProblem(t, streaming(panickingTrip).Handler, resultEvent(), http.StatusInternalServerError, "internal_error")
}

// The first bytes go on while the last have not come.
func TestStreamDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream, feed := io.Pipe()
		f := streaming(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: upstream, ContentLength: -1}, nil
		})
		out := &writes{left: -1}
		ended := make(chan error, 1)
		go func() {
			_, err := serveTo(f, t.Context(), resultEvent().payload(), out)
			ended <- err
		}()
		for i, piece := range []string{"one", "two", "three"} {
			_, _ = feed.Write([]byte(piece))
			synctest.Wait()
			if len(out.made) != i+1 || !bytes.HasSuffix(out.made[i], []byte(piece)) {
				t.Fatalf("after %s: %q", piece, out.made)
			}
		}
		_ = feed.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// An answer far beyond what Lambda buffers goes through, piece by piece.
func TestStreamBeyondThePayloadLimit(t *testing.T) {
	const size = 3*payloadLimit + 1
	f := streaming(bodyOf(io.LimitReader(&countingReader{}, size), -1))
	out := &writes{left: -1}
	if _, err := serveTo(f, t.Context(), resultEvent().payload(), out); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, p := range out.made {
		total += len(p)
		if len(p) > 64<<10 {
			t.Errorf("a piece of %d bytes", len(p))
		}
	}
	if before := bytes.Index(out.made[0], make([]byte, 8)) + 8; total != before+size {
		t.Errorf("%d bytes of %d", total-before, size)
	}
}

// largestHeader is how long a header's value may be if there is no other.
const largestHeader = 16<<10 - len(`{"statusCode":200,"headers":{"Content-Type":"application/octet-stream","X-Large":""}}`) - 8

func withHeaderOf(size int) roundTrip {
	return func(*http.Request) (*http.Response, error) {
		return respond(http.StatusOK, http.Header{"X-Large": {strings.Repeat("x", size)}}, "ok"), nil
	}
}

// Before the first byte a failure is an answer like any other.
func TestStreamFailsAtFirst(t *testing.T) {
	for name, test := range map[string]struct {
		upstream roundTrip
		code     string
	}{
		"broken off":        {inPieces(io.ErrUnexpectedEOF), "upstream_unreachable"},
		"declared too long": {bodyOf(&countingReader{}, 200<<20+1), "response_too_large"},
		"large headers":     {withHeaderOf(largestHeader + 1), "response_too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			streamProblem(t, streaming(test.upstream).Handler, resultEvent(), http.StatusBadGateway, test.code)
		})
	}
	f := streaming(withHeaderOf(largestHeader))
	if got, body, err := stream(t, f.Handler, resultEvent()); err != nil || got.StatusCode != http.StatusOK || string(body) != "ok" {
		t.Errorf("%v, %d, %s", err, got.StatusCode, body)
	}
}

// Answers without a body may speak of any length, and nothing of it comes.
func TestAnswersWithoutBody(t *testing.T) {
	for name, test := range map[string]struct {
		method string
		status int
	}{
		"HEAD": {http.MethodHead, http.StatusOK}, "no content": {http.MethodDelete, http.StatusNoContent}, "not modified": {http.MethodGet, http.StatusNotModified},
	} {
		f := streaming(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: test.status, Header: http.Header{"Content-Length": {"300000000"}},
				ContentLength: 300_000_000, Body: &pieces{err: io.ErrUnexpectedEOF}}, nil
		})
		got, body, err := stream(t, f.Handler, restEvent(test.method, resultPath))
		if err != nil || got.StatusCode != test.status || got.Headers["Content-Length"] != "300000000" || len(body) != 0 {
			t.Errorf("%s, streamed: %v, %+v, %q", name, err, got, body)
		}
		if r := invoke(t, f, restEvent(test.method, resultPath)); r.StatusCode != test.status || len(r.body) != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// The time that the runtime takes is not the upstream's, nor the relay's own.
func TestStreamToASlowRuntime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := streamingOn(t, inPieces(io.EOF, "one!", "two!"))
		if _, err := serveTo(relay, t.Context(), resultEvent().payload(), slow{}); err != nil {
			t.Fatal(err)
		}
		if log := relay.out.String(); !strings.Contains(log, `"upstream_ms":0,"overhead_ms":0,"duration_ms":2000,`) {
			t.Errorf("logged %s", log)
		}
	})
}

// Nor is it to blame when the invocation's time went by so.
func TestStreamTakenTooSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := streaming(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, ContentLength: -1, Body: io.NopCloser(reader(func(p []byte) (int, error) {
				return len(p), r.Context().Err() // there is always more
			}))}, nil
		})
		ctx, cancel := context.WithTimeout(withID(t.Context()), 10*time.Second)
		defer cancel()
		_, err := serveTo(f, ctx, resultEvent().payload(), slow{})
		if err == nil || !strings.HasPrefix(err.Error(), "answer_not_taken: it was taken too slowly: ") {
			t.Errorf("got %v", err)
		}
		if log := f.out.String(); !strings.Contains(log, `"level":"WARN"`) || !strings.Contains(log, `"code":"answer_not_taken"`) {
			t.Errorf("logged %s", log)
		}
	})
}

// reader is a function in a body's place.
type reader func([]byte) (int, error)

func (f reader) Read(p []byte) (int, error) { return f(p) }

// slow takes a second for each Write.
type slow struct{}

func (slow) Write(p []byte) (int, error) {
	<-time.After(time.Second)
	return len(p), nil
}

// Later it breaks the answer off, and is in the log.
func TestStreamBreaksOff(t *testing.T) {
	for name, test := range map[string]struct {
		upstream roundTrip
		error    string
	}{
		"broken off": {inPieces(io.ErrUnexpectedEOF, "begun"), "upstream_unreachable: "},
		"panic": {func(*http.Request) (*http.Response, error) {
			body := struct {
				io.Reader
				io.Closer
			}{io.MultiReader(strings.NewReader("begun"), panickingBody{}), io.NopCloser(nil)}
			return &http.Response{StatusCode: http.StatusOK, Body: body, ContentLength: -1}, nil
		}, "internal_error: panic "},
	} {
		t.Run(name, func(t *testing.T) {
			f := streaming(test.upstream)
			got, body, err := stream(t, f.Handler, resultEvent())
			if err == nil || !strings.HasPrefix(err.Error(), test.error) {
				t.Errorf("got %v, want %s", err, test.error)
			}
			if got.StatusCode != http.StatusOK || len(body) == 0 || len(body) > 200<<20 {
				t.Errorf("status %d and %d bytes before", got.StatusCode, len(body))
			}
			log := f.out.String()
			if strings.Count(log, `"message":"invocation"`) != 1 || !strings.Contains(log, `"status":200,`) || !strings.Contains(log, `"error":"`+test.error) {
				t.Errorf("logged %s", log)
			}
		})
	}
}

// An answer without end is broken off at Lambda's limit.
func TestStreamWithoutEnd(t *testing.T) {
	f := streaming(bodyOf(&countingReader{}, -1))
	var taken counter
	_, err := serveTo(f, withID(t.Context()), resultEvent().payload(), &taken)
	if err == nil || !strings.HasPrefix(err.Error(), "response_too_large: ") || taken < 199<<20 || taken > 200<<20+1<<10 {
		t.Errorf("%v after %d bytes", err, taken)
	}
}

// counter counts the bytes that are written to it.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// The invocation's deadline ends a stream that trickles.
func TestStreamPastTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := streaming(func(r *http.Request) (*http.Response, error) {
			body, feed := io.Pipe()
			go func() {
				_, _ = feed.Write([]byte("begun"))
				<-r.Context().Done()
				_ = feed.CloseWithError(r.Context().Err())
			}()
			return &http.Response{StatusCode: http.StatusOK, Body: body, ContentLength: -1}, nil
		})
		ctx, cancel := context.WithTimeout(withID(t.Context()), 10*time.Second)
		defer cancel()
		began := time.Now()
		_, err := serveTo(f, ctx, resultEvent().payload(), &writes{left: -1})
		if took := time.Since(began); err == nil || took != 9500*time.Millisecond {
			t.Errorf("%v after %v", err, took)
		}
		if log := f.out.String(); !strings.Contains(log, `"code":"upstream_timeout"`) {
			t.Errorf("logged %s", log)
		}
	})
}

// A runtime that takes no more ends the call, and the answer's bytes are in no
// error.
func TestStreamThatCannotBeWritten(t *testing.T) {
	for taken := range 3 {
		f := streaming(inPieces(io.EOF, "one", "two", "three"))
		out := &writes{left: taken}
		_, err := serveTo(f, withID(t.Context()), resultEvent().payload(), out)
		if err == nil || len(out.made) != taken || strings.Contains(err.Error(), canary) {
			t.Errorf("after %d: %v, %q", taken, err, out.made)
		}
		if log := f.out.String(); !strings.Contains(log, `"error":"answer_not_taken: sending the answer on: `) {
			t.Errorf("logged %s", log)
		}
	}
	out := &writes{}
	if _, err := serveTo(streaming(nil), withID(t.Context()), restEvent(http.MethodGet, "/healthz").payload(), out); err == nil {
		t.Error("an answer of the relay's own that nobody takes is no error")
	}
}

// TestStreamedEcho breaks the answer off before the token is in it, wherever the
// pieces end.
func TestStreamedEcho(t *testing.T) {
	for at := range 60 {
		var token string
		relay := streamingOn(t, func(r *http.Request) (*http.Response, error) {
			token = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			text := "begun ... " + token + " ended"
			cut := len(text) * at / 60
			return inPieces(io.EOF, "first", text[:cut], text[cut:])(r)
		})
		got, body, err := stream(t, relay.Handler, resultEvent())
		if got.StatusCode != http.StatusOK || err == nil || !strings.HasPrefix(err.Error(), "upstream_echoed_token: ") {
			t.Errorf("%d: status %d, %v", at, got.StatusCode, err)
		}
		if log := relay.out.String(); !strings.Contains(log, "and is broken off before it") {
			t.Errorf("%d: logged %s", at, log)
		}
		if secret := token[strings.LastIndexByte(token, '.')+1:]; secret == "" || bytes.Contains(body, []byte(secret[:4])) {
			t.Errorf("%d: the token got out: %s", at, body)
		}
	}
	// In a header, or at once, it is a problem like any other.
	headed := streamingOn(t, func(r *http.Request) (*http.Response, error) {
		return respond(http.StatusOK, http.Header{"X-Debug": {r.Header.Get("Authorization")}}, "body"), nil
	})
	streamProblem(t, headed.Handler, resultEvent(), http.StatusBadGateway, "upstream_echoed_token")
	relay := streamingOn(t, func(r *http.Request) (*http.Response, error) {
		return inPieces(io.EOF, r.Header.Get("Authorization"))(r)
	})
	streamProblem(t, relay.Handler, resultEvent(), http.StatusBadGateway, "upstream_echoed_token")
}

// What looks like the beginning of the token and is not goes out in the end.
func TestStreamedNearEcho(t *testing.T) {
	var want string
	relay := streamingOn(t, func(r *http.Request) (*http.Response, error) {
		token := r.Header.Get("Authorization")
		token = token[:strings.LastIndexByte(token, '.')+24]
		rest := []string{"first", token, ".", token[:len(token)-8], "", "last" + token[:60]}
		want = strings.Join(rest, "")
		return inPieces(io.EOF, slices.DeleteFunc(rest, func(s string) bool { return s == "" })...)(r)
	})
	if _, body, err := stream(t, relay.Handler, resultEvent()); err != nil || string(body) != want {
		t.Errorf("%v: %s, want %s", err, body, want)
	}
}
