package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"omr-relay/internal/lambdaruntime"

	"github.com/aws/aws-lambda-go/events"
)

const streamedHead = `{"statusCode":201,"headers":{"X-A":"a"},"multiValueHeaders":{"X-B":["1","2"]}}` + "\x00\x00\x00\x00\x00\x00\x00\x00"

// streams is a server that writes the pieces, and then ends with err. Before each
// piece but the first it waits for next.
type streams struct {
	pieces []string
	next   <-chan struct{}
	err    error
}

func (s streams) Invoke(context.Context, []byte) ([]byte, error) {
	return nil, errors.New("not asked for")
}

func (s streams) Respond(context.Context, []byte) (lambdaruntime.Response, error) { return s, nil }

func (s streams) Whole() ([]byte, bool) { return nil, false }
func (s streams) ContentType() string   { return "" }
func (s streams) Done(error)            {}

func (s streams) WriteTo(stream io.Writer) (int64, error) {
	for i, piece := range s.pieces {
		if i > 0 && s.next != nil {
			<-s.next
		}
		if _, err := io.WriteString(stream, piece); err != nil {
			return 0, err
		}
	}
	return 0, s.err
}

// serveStreams serves what s streams and returns what was told besides.
func serveStreams(t *testing.T, s streams) (base string, told *bytes.Buffer, stop func() error) {
	t.Helper()
	told = &bytes.Buffer{}
	fn := &function{handler: s, tell: newNarrator(told, false)}
	base, stop = serveOn(t, &gateway{respond: fn.respond, problem: fn.tell.problem})
	return base, told, stop
}

// The head may come in any pieces; what follows is the body, as it is.
func TestStartAPIStreams(t *testing.T) {
	body := "one\x00\x00\x00\x00\x00\x00\x00\x00two\xff"
	whole := streamedHead + body
	for name, pieces := range map[string][]string{
		"at once":   {whole},
		"apart":     {streamedHead, body},
		"by bytes":  strings.Split(whole, ""),
		"delimiter": {whole[:len(streamedHead)-3], whole[len(streamedHead)-3:]},
	} {
		base, told, stop := serveStreams(t, streams{pieces: pieces})
		resp, got := send(t, http.MethodGet, base+"/", nil)
		if resp.StatusCode != http.StatusCreated || got != body || resp.Header.Get("X-A") != "a" || strings.Join(resp.Header["X-B"], "") != "12" {
			t.Errorf("%s: %d %q %v", name, resp.StatusCode, got, resp.Header)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if !strings.Contains(told.String(), "201, 15 B streamed") {
			t.Errorf("%s: told %s", name, told)
		}
	}
}

// begin asks for / and returns the answer's body, of which little may be there.
func begin(t *testing.T, base string) io.ReadCloser {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Body
}

// The client has the first piece while the second is still to come.
func TestStartAPIDoesNotHoldBack(t *testing.T) {
	next := make(chan struct{})
	base, _, stop := serveStreams(t, streams{pieces: []string{streamedHead + "one", "two"}, next: next})
	body := begin(t, base)
	defer body.Close()
	first := make([]byte, 3)
	if _, err := io.ReadFull(body, first); err != nil || string(first) != "one" {
		t.Errorf("%q, %v", first, err)
	}
	close(next)
	if rest, err := io.ReadAll(body); err != nil || string(rest) != "two" {
		t.Errorf("%q, %v", rest, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// A client that does not read ends the invocation in time, not for ever.
func TestStreamedWriteError(t *testing.T) {
	late := &deadlined{ResponseRecorder: httptest.NewRecorder(), err: os.ErrDeadlineExceeded}
	until := time.Now().Add(time.Minute)
	to, err := writeHead(late, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), events.APIGatewayProxyResponse{StatusCode: http.StatusOK}, until)
	if err != nil {
		t.Fatal(err)
	}
	if !late.deadline.Equal(until) {
		t.Errorf("until %v, want %v", late.deadline, until)
	}
	if _, err := to.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past the deadline: %v", err)
	}
	late.err = errors.New("gone")
	if n, err := to.Write([]byte("x")); n != 1 || err != nil {
		t.Errorf("a client that has gone: %d, %v", n, err)
	}
}

// deadlined takes a deadline for its writing, and fails.
type deadlined struct {
	*httptest.ResponseRecorder
	deadline time.Time
	err      error
}

func (d *deadlined) SetWriteDeadline(t time.Time) error { d.deadline = t; return d.err }
func (d *deadlined) Write([]byte) (int, error)          { return 0, d.err }

// An answer that breaks off does so for the client.
func TestStartAPIBreaksOff(t *testing.T) {
	base, told, stop := serveStreams(t, streams{pieces: []string{streamedHead + "one"}, err: errors.New("private")})
	body := begin(t, base)
	defer body.Close()
	if got, err := io.ReadAll(body); err == nil || string(got) != "one" {
		t.Errorf("%q, %v", got, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(told.String(), "201, 3 B streamed, then it broke off") {
		t.Errorf("told %s", told)
	}
}

// What does not begin as it should is API Gateway's 502.
func TestStartAPIRefusesMalformedStreams(t *testing.T) {
	for name, begin := range map[string]string{
		"no JSON":      "hello" + string(delimiter),
		"no status":    "{}" + string(delimiter),
		"no delimiter": strings.Repeat(" ", maxHead),
	} {
		base, _, stop := serveStreams(t, streams{pieces: []string{begin}})
		if resp, _ := send(t, http.MethodGet, base+"/", nil); resp.StatusCode != http.StatusBadGateway {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}

// OMR_STREAMING reaches the relay, and invoke prints answers whole all the same.
func TestStreamingSetting(t *testing.T) {
	env := func(name string) string { return map[string]string{"OMR_STREAMING": "true"}[name] }
	fn, err := assemble(t.Context(), console{stdin: nil, stdout: io.Discard, stderr: io.Discard, getenv: env})
	if err != nil {
		t.Fatal(err)
	}
	defer fn.close()
	var body bytes.Buffer
	event := []byte(`{"httpMethod":"GET","path":"/healthz","requestContext":{}}`)
	response, err := fn.respond(t.Context(), event, func(events.APIGatewayProxyResponse) (io.Writer, error) { return &body, nil })
	if err != nil || response != nil || body.String() != `{"status":"ok"}` {
		t.Errorf("%s, %v, streamed %q", response, err, body.String())
	}
	got := runWith(t.Context(), bytes.NewReader(event), env, "invoke", "-")
	if got.status != 0 || !strings.Contains(got.stdout, `"statusCode":200`) {
		t.Errorf("invoke: %+v", got)
	}
}
