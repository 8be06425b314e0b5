package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

// serveOn serves the gateway on a free port of the loopback interface until
// the test ends. It returns its base URL, and a function that stops it and
// returns serve's error.
func serveOn(t *testing.T, g *gateway) (string, func() error) {
	t.Helper()
	listener, err := listen(t.Context(), "127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, newServer(g, io.Discard), listener) }()
	stop := func() error { cancel(); return <-ended }
	t.Cleanup(cancel)
	return "http://" + listener.Addr().String(), stop
}

func send(t *testing.T, method, base string, body io.Reader) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, base, body)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// The function echoes the event's body and path in a header.
func TestStartAPIPassesRequestsAndAnswers(t *testing.T) {
	base, stop := serveOn(t, &gateway{respond: func(_ context.Context, payload []byte, _ opener) ([]byte, error) {
		var event events.APIGatewayProxyRequest
		if err := json.Unmarshal(payload, &event); err != nil {
			return nil, err
		}
		return json.Marshal(events.APIGatewayProxyResponse{
			StatusCode:      http.StatusAccepted,
			Headers:         map[string]string{"X-Path": event.Path},
			Body:            event.Body,
			IsBase64Encoded: event.IsBase64Encoded,
		})
	}})
	for body, want := range map[string]string{"": "", "text": "text", "\x00\xff\xfe": "AP/+"} {
		resp, got := send(t, http.MethodPost, base+"/v5.0/a%2Fb//c?x=1", strings.NewReader(body))
		if resp.StatusCode != http.StatusAccepted || got != want || resp.Header.Get("X-Path") != "/v5.0/a%2Fb//c" {
			t.Errorf("%d %q %q, want 202 and the body %q", resp.StatusCode, resp.Header.Get("X-Path"), got, body)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
}

func TestStartAPIAnswersForAFunctionThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		response string
		err      error
	}{
		"an error":             {"", errors.New("private")},
		"a malformed response": {"{}", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var told error
			base, stop := serveOn(t, &gateway{
				respond: func(context.Context, []byte, opener) ([]byte, error) { return []byte(c.response), c.err },
				problem: func(err error) { told = err },
			})
			resp, body := send(t, http.MethodGet, base+"/", nil)
			if resp.StatusCode != http.StatusBadGateway || !strings.Contains(body, `"detail":"Internal server error",`) {
				t.Errorf("%d %q", resp.StatusCode, body)
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			if told == nil {
				t.Error("the cause was not told")
			}
		})
	}
}

func TestStartAPIRefusesABodyLargerThanAPIGatewayDoes(t *testing.T) {
	invoked := 0
	base, stop := serveOn(t, &gateway{respond: func(context.Context, []byte, opener) ([]byte, error) {
		invoked++
		return []byte(`{"statusCode":200}`), nil
	}})
	if resp, body := send(t, http.MethodPost, base+"/x", bytes.NewReader(make([]byte, maxBody))); resp.StatusCode != http.StatusOK {
		t.Errorf("the largest body: %d %q", resp.StatusCode, body)
	}
	resp, body := send(t, http.MethodPost, base+"/x", bytes.NewReader(make([]byte, maxBody+1)))
	if resp.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(body, `"detail":"Request Too Long",`) {
		t.Errorf("a larger one: %d %q", resp.StatusCode, body)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if invoked != 1 {
		t.Errorf("invoked %d times, want once", invoked)
	}
}

// A body that breaks off invokes nothing.
func TestStartAPIRefusesABrokenBody(t *testing.T) {
	base, stop := serveOn(t, &gateway{respond: func(context.Context, []byte, opener) ([]byte, error) {
		t.Error("invoked")
		return nil, nil
	}})
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nnot a chunk\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
		t.Errorf("%q %v, want 400", answer, err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// Stopping waits for the answer to a request under way.
func TestStartAPIFinishesWhatItIsServing(t *testing.T) {
	began, finish, stopping := make(chan struct{}), make(chan struct{}), make(chan struct{})
	server := newServer(&gateway{respond: func(ctx context.Context, _ []byte, _ opener) ([]byte, error) {
		close(began)
		<-finish
		return []byte(`{"statusCode":200,"body":"finished"}`), ctx.Err()
	}}, io.Discard)
	server.RegisterOnShutdown(func() { close(stopping) })
	listener, err := listen(t.Context(), "127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- serve(ctx, server, listener) }()
	go func() {
		<-began
		cancel()
		<-stopping
		close(finish)
	}()
	if _, body := send(t, http.MethodGet, "http://"+listener.Addr().String(), nil); body != "finished" {
		t.Errorf("answered %q", body)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stopping: %v", err)
	}
}

// The invocation goes on when the client has gone.
func TestStartAPIInvocationOutlivesItsClient(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	invoked := false
	g := &gateway{respond: func(ctx context.Context, _ []byte, _ opener) ([]byte, error) {
		invoked = true
		return []byte(`{"statusCode":200}`), ctx.Err()
	}}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequestWithContext(gone, http.MethodGet, "http://localhost/", nil))
	if !invoked || w.Code != http.StatusOK {
		t.Errorf("invoked %v, status %d", invoked, w.Code)
	}
}

func TestListenNamesAPortInUse(t *testing.T) {
	taken, err := listen(t.Context(), "127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = listen(t.Context(), "127.0.0.1", taken.Addr().(*net.TCPAddr).Port)
	if err == nil || !strings.Contains(err.Error(), "is in use: choose another with --port") {
		t.Errorf("error %v", err)
	}
	if _, err := listen(t.Context(), "192.0.2.1", 0); err == nil {
		t.Error("opened a port of another machine")
	}
}

func TestServeReportsAListenerThatFails(t *testing.T) {
	listener, err := listen(t.Context(), "127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := serve(t.Context(), newServer(&gateway{}, io.Discard), listener); err == nil {
		t.Error("served on a closed port")
	}
}
