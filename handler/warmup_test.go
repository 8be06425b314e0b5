package handler_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/handler"
	"omr-relay/internal/budget"
	"omr-relay/internal/problem"
)

// warmUps are the events that ask for a warm-up.
var warmUps = map[string]string{
	"rule":      `{"version":"0","id":"1","detail-type":"Scheduled Event","source":"aws.events","account":"1","time":"2026-11-21T10:00:00Z","region":"eu-central-1","resources":["arn:aws:events:eu-central-1:1:rule/r"],"detail":{}}`,
	"scheduler": `{"version":"0","id":"1","detail-type":"Scheduled Event","source":"aws.scheduler","account":"1","time":"2026-11-21T10:00:00Z","region":"eu-central-1","resources":["arn:aws:scheduler:eu-central-1:1:schedule/default/s"],"detail":"{}"}`,
	"input":     ` { "warmup" : true , "more" : [1] } `,
}

func warmUp(t *testing.T, h invoker, payload string) string {
	t.Helper()
	out, err := h.Invoke(withID(t.Context()), []byte(payload))
	if err != nil {
		t.Fatalf("a warm-up failed with %v", err)
	}
	return string(out)
}

func TestWarmUp(t *testing.T) {
	for kind, payload := range warmUps {
		f := fixtureOf(handler.Config{
			WarmupInterval: 7 * time.Minute,
			Tokens: tokens(func(_ context.Context, d time.Duration) (time.Duration, error) {
				if want := 8 * time.Minute; d != want { // the interval, and a minute for a ping that comes late
					t.Errorf("%s: asks for %v, want %v", kind, d, want)
				}
				return 3599*time.Second + 999*time.Millisecond, nil
			}),
			Connect: roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.Method != http.MethodHead || r.URL.String() != "https://upstream.test/" || r.Header.Get("Authorization") != "" {
					t.Errorf("%s: connects with %s %s %v", kind, r.Method, r.URL, r.Header)
				}
				return respond(http.StatusNotFound, nil, "any answer will do"), nil
			}),
		})
		if got, want := warmUp(t, f, payload), `{"warm":true,"token_expires_in":3599}`; got != want {
			t.Errorf("%s: got %s, want %s", kind, got, want)
		}
		f.none(t)
		if log := f.out.String(); !strings.Contains(log, `"warm_up_failures":0,`) || !strings.Contains(log, `"warm":true`) {
			t.Errorf("%s: logged %s", kind, log)
		}
	}
}

func TestWarmUpIntervalDefault(t *testing.T) {
	for _, interval := range []time.Duration{0, -time.Second} {
		f := fixtureOf(handler.Config{WarmupInterval: interval, Tokens: tokens(func(_ context.Context, d time.Duration) (time.Duration, error) {
			if d != 6*time.Minute {
				t.Errorf("asks for %v", d)
			}
			return d, nil
		})})
		warmUp(t, f, warmUps["input"])
	}
}

// A failure is reported and not returned: an error would have Lambda repeat
// the event.
func TestWarmUpFails(t *testing.T) {
	noToken := tokens(func(context.Context, time.Duration) (time.Duration, error) {
		return 90 * time.Second, &problem.Error{Code: problem.TokenUnavailable, Err: errors.New("canary")}
	})
	noConnection := roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("canary") })
	for name, test := range map[string]struct {
		cfg  handler.Config
		want string
	}{
		"token":      {handler.Config{Tokens: noToken}, `{"warm":false,"token_expires_in":90,"code":"token_unavailable"}`},
		"connection": {handler.Config{Connect: noConnection}, `{"warm":false,"token_expires_in":3600,"code":"upstream_unreachable"}`},
		"both":       {handler.Config{Tokens: noToken, Connect: noConnection}, `{"warm":false,"token_expires_in":90,"code":"token_unavailable"}`},
		"base URL":   {handler.Config{BaseURL: &url.URL{Scheme: "https", Host: "a b"}}, `{"warm":false,"token_expires_in":3600,"code":"internal_error"}`},
	} {
		for kind, payload := range warmUps {
			f := fixtureOf(test.cfg)
			if got := warmUp(t, f, payload); got != test.want {
				t.Errorf("%s, %s: got %s, want %s", name, kind, got, test.want)
			}
			log := f.out.String()
			if strings.Contains(log, `"level":"INFO"`) || !strings.Contains(log, `"warm":false`) || !strings.Contains(log, `"warm_up_failures":1,`) {
				t.Errorf("%s, %s: logged %s", name, kind, log)
			}
			if strings.Contains(log, "canary") {
				t.Errorf("%s, %s: an error's own text is logged: %s", name, kind, log)
			}
		}
	}
}

// Both halves of a warm-up run together, and neither keeps the environment for
// longer than a warm-up may.
func TestWarmUpHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := inBubble(t)
		relay.Sandbox.Token.Respond(hanging)
		relay.Aspose.Respond(hanging)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		out, err := relay.Invoke(ctx, []byte(warmUps["rule"]))
		if want := `{"warm":false,"token_expires_in":0,"code":"token_unavailable"}`; err != nil || string(out) != want {
			t.Errorf("answered %s, %v", out, err)
		}
		if took := time.Since(began); took != budget.WarmUp {
			t.Errorf("took %v", took)
		}
	})
}

// After a warm-up the token outlives the time to the next one, whatever was
// left of it before.
func TestWarmUpOutlivesTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := inBubble(t)
		relay.Sandbox.Token.SetLifetime(10 * time.Minute)
		for range 20 {
			warmUp(t, relay, warmUps["scheduler"])
			mints := relay.Sandbox.Token.Mints()
			pass(t.Context(), 5*time.Minute+59*time.Second)
			if invoke(t, relay, resultEvent()); relay.Sandbox.Token.Mints() > mints+1 { // a soft refresh may be due
				t.Fatal("minted more than once")
			}
			if strings.Contains(relay.out.String(), `"token":"mint"`) {
				t.Fatalf("a call had to wait for a token: %s", relay.out.String())
			}
		}
	})
}

// One connection is opened by the warm-up, without a call of the API, and the
// next call finds it.
func TestWarmUpOpensAConnection(t *testing.T) {
	upstream := listenRaw(t, okTo)
	relay := behindSocket(t, upstream.url(), "token")
	for range 3 {
		warmUp(t, relay, warmUps["input"])
	}
	for _, r := range upstream.requests() {
		if want := "HEAD / HTTP/1.1\nHost: upstream.test\nUser-Agent: omr-relay/1.0.0\n\n\"\"\n"; r.String() != want {
			t.Errorf("sent %s", r)
		}
	}
	invoke(t, relay, resultEvent())
	if n, calls := upstream.connections(), len(upstream.requests()); n != 1 || calls != 4 {
		t.Errorf("%d connections for %d requests", n, calls)
	}
	if n := relay.Sandbox.Token.Count(); n != 1 {
		t.Errorf("%d token requests", n)
	}
}
