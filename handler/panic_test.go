package handler_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/handler"
)

const canary = "canary-4711"

// boom panics, and tells where.
func boom() {
	_, _, line, _ := runtime.Caller(0)
	panicLine.Store(int64(line + 2))
	panic(canary)
}

var panicLine atomic.Int64

type panickingBody struct{ io.ReadCloser }

func (panickingBody) Read([]byte) (int, error)            { boom(); return 0, io.EOF }
func (panickingBody) Close() error                        { return nil }
func panickingTrip(*http.Request) (*http.Response, error) { boom(); return nil, nil }

func wantPanicLine(t *testing.T, log string) {
	t.Helper()
	site := fmt.Sprintf(`"error":"internal_error: panic (string) at omr-relay/handler_test.boom:%d",`, panicLine.Load())
	if !strings.Contains(log, site) || strings.Count(log, `"message":"invocation"`) != 1 {
		t.Errorf("logged %s, want %s", log, site)
	}
	if strings.Contains(log, canary) {
		t.Errorf("the panic's value is logged: %s", log)
	}
}

// A panic becomes a problem: the next invocation finds the process alive.
func TestPanicInARelayedCall(t *testing.T) {
	for name, upstream := range map[string]roundTrip{
		"call": panickingTrip,
		"body": func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: panickingBody{}, ContentLength: -1}, nil
		},
	} {
		for kind, e := range eachKind(http.MethodPost, submitPath) {
			f := newFixture(upstream)
			r := invoke(t, f, e)
			p := wantProblem(t, r, http.StatusInternalServerError, "internal_error")
			if p.Detail != "The relay failed. The request id leads to its log line." || strings.Contains(string(r.body), canary) {
				t.Errorf("%s, %s: answered %s", name, kind, r.body)
			}
			wantPanicLine(t, f.out.String())
		}
	}
}

// The real token path is in the way, and its time is not the upstream's.
func TestPanicBehindTheTokenPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := inBubble(t)
		relay.Sandbox.Token.Respond(taking(120 * time.Millisecond))
		relay.Aspose.Respond(func(http.ResponseWriter, *http.Request) bool { boom(); return true })
		wantProblem(t, invoke(t, relay, submitEvent()), http.StatusInternalServerError, "internal_error")
		log := relay.out.String()
		if !strings.Contains(log, `"token":"mint","token_ms":120,`) || !strings.Contains(log, `"upstream_calls":1,"upstream_ms":0,"overhead_ms":120,"duration_ms":120,`) {
			t.Errorf("logged %s", log)
		}
		relay.Aspose.Respond(nil)
		if r := invoke(t, relay, submitEvent()); r.StatusCode != http.StatusOK {
			t.Errorf("afterwards: %d %s", r.StatusCode, r.body)
		}
	})
}

func TestPanicInAWarmUp(t *testing.T) {
	for name, cfg := range map[string]handler.Config{
		"token":      {Tokens: tokens(func(context.Context, time.Duration) (time.Duration, error) { boom(); return 0, nil })},
		"connection": {Connect: roundTrip(panickingTrip)},
	} {
		for kind, payload := range warmUps {
			f := fixtureOf(cfg)
			got := warmUp(t, f, payload)
			if !strings.HasPrefix(got, `{"warm":false,"token_expires_in":`) || !strings.HasSuffix(got, `,"code":"internal_error"}`) || strings.Contains(got, canary) {
				t.Errorf("%s, %s: answered %s", name, kind, got)
			}
			wantPanicLine(t, f.out.String())
			if log := f.out.String(); !strings.Contains(log, `"level":"ERROR"`) || !strings.Contains(log, `"warm_up_failures":1,`) {
				t.Errorf("%s, %s: logged %s", name, kind, log)
			}
		}
	}
}

// A warm-up that panics waits for its other half: nothing outlives it.
func TestPanickingWarmUpLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connecting := false
		f := fixtureOf(handler.Config{
			Tokens: tokens(func(context.Context, time.Duration) (time.Duration, error) { synctest.Wait(); boom(); return 0, nil }),
			Connect: roundTrip(func(r *http.Request) (*http.Response, error) {
				connecting = true
				defer func() { connecting = false }()
				pass(r.Context(), time.Second)
				return respond(http.StatusOK, nil, ""), nil
			}),
		})
		warmUp(t, f, warmUps["input"])
		if connecting {
			t.Error("the connection is still being made")
		}
	})
}

// Without a log and metrics a handler serves all the same.
func TestSilentHandler(t *testing.T) {
	silent := handler.New(handler.Config{
		Connect: roundTrip(func(*http.Request) (*http.Response, error) { return respond(http.StatusOK, nil, ""), nil }),
		Tokens:  tokens(func(context.Context, time.Duration) (time.Duration, error) { return time.Hour, nil }),
		BaseURL: &url.URL{Scheme: "https", Host: "upstream.test"}, Relay: roundTrip(panickingTrip),
	})
	warmUp(t, silent, warmUps["input"])
	wantProblem(t, invoke(t, silent, submitEvent()), http.StatusInternalServerError, "internal_error")
}

// A panic while an answer is read still closes its body, which ends the refresh
// that the call began: nothing outlives the invocation.
func TestPanicWhileAnAnswerIsReadClosesIt(t *testing.T) {
	for _, streaming := range []bool{false, true} {
		for name, first := range map[string]string{"at once": "", "after a piece": "begun"} {
			closed := 0
			f := fixtureOf(handler.Config{Streaming: streaming, Relay: roundTrip(func(*http.Request) (*http.Response, error) {
				body := struct {
					io.Reader
					io.Closer
				}{io.MultiReader(strings.NewReader(first), panickingBody{}), closer(func() { closed++ })}
				return &http.Response{StatusCode: http.StatusOK, Body: body, ContentLength: -1}, nil
			})})
			_, _ = serveTo(f, t.Context(), resultEvent().payload(), io.Discard)
			if closed != 1 || strings.Count(f.out.String(), `"message":"invocation"`) != 1 {
				t.Errorf("streaming %t, %s: closed %d times; logged %s", streaming, name, closed, f.out.String())
			}
		}
	}
}

// A panic while the body is closed comes after the answer: it is logged, and the
// process lives.
func TestPanicWhileAnAnswerIsClosedIsLogged(t *testing.T) {
	for _, streaming := range []bool{false, true} {
		f := fixtureOf(handler.Config{Streaming: streaming, Relay: roundTrip(func(*http.Request) (*http.Response, error) {
			body := struct {
				io.Reader
				io.Closer
			}{strings.NewReader("all of it"), closer(func() { panic(canary) })}
			return &http.Response{StatusCode: http.StatusOK, Body: body, ContentLength: -1}, nil
		})})
		var out strings.Builder
		whole, err := serveTo(f, t.Context(), resultEvent().payload(), &out)
		if got := string(whole) + out.String(); err != nil || !strings.Contains(got, "all of it") {
			t.Errorf("streaming %t: %q, %v", streaming, got, err)
		}
		log := f.out.String()
		if strings.Count(log, `"message":"invocation"`) != 1 || !strings.Contains(log, `"code":"internal_error"`) || strings.Contains(log, canary) {
			t.Errorf("streaming %t: logged %s", streaming, log)
		}
	}
}

// closer is a function in a body's Close.
type closer func()

func (c closer) Close() error { c(); return nil }
