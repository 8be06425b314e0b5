package handler_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/sandbox"
)

// The times that the stand-ins take, so that each shows in its own place.
const (
	secretTime   = 30 * time.Millisecond
	tokenTime    = 120 * time.Millisecond
	upstreamTime = 250 * time.Millisecond
)

// logged is what an invocation writes, its metrics' line included: one file for each
// kind of invocation. before, if any, comes first and is not shown.
var logged = map[string]struct {
	before func(*testing.T, *wired)
	event  string // payload
}{
	"rest_mint":    {nil, string(submitEvent().payload())},
	"rest_hit":     {mint, string(submitEvent().payload())},
	"http_api":     {mint, string(httpEvent(http.MethodGet, resultPath).with("rawQueryString", "id="+canary).payload())},
	"function_url": {mint, string(functionURLEvent().payload())},
	"traced":       {mint, string(resultEvent().withHeaders("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").payload())},
	"expired": {func(t *testing.T, w *wired) {
		mint(t, w)
		pass(t.Context(), time.Hour)
	}, string(submitEvent().payload())},
	"recognize": {func(t *testing.T, w *wired) {
		mint(t, w)
		w.Aspose.SetNotReady(1)
	}, string(restEvent(http.MethodPost, "/recognize").withBody(`{"images":["iVBORw0KGgo="],"omrFile":"`+base64.StdEncoding.EncodeToString(sandbox.SamplePattern())+`"}`).withHeaders("Content-Type", "application/json").payload())},
	"prefetched": {func(_ *testing.T, w *wired) {
		w.Prefetched(callrecord.Minting{Mints: 1, Reason: callrecord.ColdStart, SecretReads: 1})
	}, string(submitEvent().payload())},
	"healthz": {nil, string(restEvent(http.MethodGet, "/healthz").payload())},
	"soft_refresh": {func(t *testing.T, w *wired) {
		mint(t, w)
		pass(t.Context(), 55*time.Minute)
	}, string(resultEvent().payload())},
	"soft_refresh_fails": {func(t *testing.T, w *wired) {
		mint(t, w)
		pass(t.Context(), 55*time.Minute)
		w.Sandbox.Token.Accept("another", "secret")
	}, string(resultEvent().payload())},
	"repair": {func(t *testing.T, w *wired) {
		mint(t, w)
		w.Sandbox.Token.RevokeAll()
	}, string(resultEvent().payload())},
	"upstream_error": {func(t *testing.T, w *wired) {
		mint(t, w)
		w.Aspose.Respond(answering(http.StatusInternalServerError, canary))
	}, string(submitEvent().payload())},
	"upstream_timeout": {func(_ *testing.T, w *wired) { w.Aspose.Respond(hanging) }, string(submitEvent().payload())},
	"upstream_unreachable": {func(_ *testing.T, w *wired) {
		w.Aspose.Respond(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
	}, string(submitEvent().payload())},
	"upstream_rejected_token": {func(_ *testing.T, w *wired) {
		w.Aspose.Respond(answering(http.StatusUnauthorized, canary))
	}, string(submitEvent().payload())},
	"repair_fails": {func(t *testing.T, w *wired) {
		mint(t, w)
		w.Sandbox.Token.RevokeAll()
		w.Sandbox.Token.Accept("another", "secret")
	}, string(resultEvent().payload())},
	"response_too_large": {func(_ *testing.T, w *wired) {
		w.Aspose.Respond(answering(http.StatusOK, strings.Repeat("\"", payloadLimit/2)))
	}, string(resultEvent().payload())},
	"token_unavailable": {func(_ *testing.T, w *wired) { w.Sandbox.Token.Accept("another", "secret") }, string(submitEvent().payload())},
	"credentials_unavailable": {func(_ *testing.T, w *wired) { w.Secrets.Fail(sandbox.AccessDenied, -1) },
		string(submitEvent().payload())},
	"route_not_found":        {nil, string(restEvent(http.MethodGet, "/"+canary).payload())},
	"bad_request":            {nil, string(restEvent(http.MethodGet, "/v5.0/omr/../"+canary).payload())},
	"bad_base64":             {nil, string(submitEvent().with("isBase64Encoded", true).payload())},
	"method_not_allowed":     {nil, string(restEvent(canary, resultPath).payload())},
	"unsupported_media_type": {nil, string(submitEvent().withHeaders("Content-Encoding", canary).payload())},
	"payload_too_large":      {nil, string(submitEvent().withBody(strings.Repeat("x", payloadLimit)).payload())},
	"unsupported_event":      {nil, `{"Records":[{"eventSource":"aws:sqs","body":"` + canary + `"}]}`},
	"warmup_rule":            {nil, warmUps["rule"]},
	"warmup_scheduler":       {nil, warmUps["scheduler"]},
	"warmup":                 {nil, warmUps["input"]},
	"warmup_mints": {func(t *testing.T, w *wired) {
		warmUp(t, w, warmUps["rule"])
		pass(t.Context(), time.Hour-5*time.Minute)
	}, warmUps["rule"]},
	"warmup_no_token": {func(_ *testing.T, w *wired) { w.Sandbox.Token.Accept("another", "secret") }, warmUps["rule"]},
	"warmup_no_connection": {func(_ *testing.T, w *wired) {
		w.Aspose.Respond(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
	}, warmUps["rule"]},
}

// taskID is the stand-in's, which invents it.
var taskID = regexp.MustCompile(`"tasks":\["[0-9a-f-]{36}"\]`)

// mint has the relay hold a token.
func mint(t *testing.T, w *wired) {
	t.Helper()
	if r := invoke(t, w, submitEvent()); r.StatusCode != http.StatusOK {
		t.Fatalf("answered %d %s", r.StatusCode, r.body)
	}
}

func functionURLEvent() event {
	return httpEvent(http.MethodGet, resultPath).with("requestContext", map[string]any{
		"stage": "$default", "domainName": "example.lambda-url.eu-central-1.on.aws", "http": map[string]string{"method": http.MethodGet},
	})
}

// timed is a relay whose stand-ins take their times.
func timed(t *testing.T) *wired {
	t.Helper()
	w := inBubble(t)
	w.Secrets.Respond(taking(secretTime))
	w.Sandbox.Token.Respond(taking(tokenTime))
	w.Aspose.Respond(taking(upstreamTime))
	return w
}

func TestLogLines(t *testing.T) {
	for name, test := range logged {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				relay := timed(t)
				if test.before != nil {
					test.before(t, relay)
				}
				relay.out.Reset()
				ctx, cancel := context.WithTimeout(withID(t.Context()), 29*time.Second)
				defer cancel()
				if name == "traced" {
					ctx = context.WithValue(ctx, "x-amzn-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1") //nolint:revive,staticcheck // aws-lambda-go's key
				}
				_, err := relay.Invoke(ctx, []byte(test.event))
				if unsupported := name == "unsupported_event"; (err != nil) != unsupported {
					t.Error(err)
				}
				got := taskID.ReplaceAllString(relay.out.String(), `"tasks":["ID"]`)
				if strings.Contains(got, canary) {
					t.Errorf("the event's own words are logged: %s", got)
				}
				if strings.Count(got, `"message":"invocation"`) != 1 || strings.Count(got, "\n") != 1 {
					t.Errorf("not one line: %s", got)
				}
				golden(t, "log/"+name+".txt", []byte(got))
			})
		})
	}
}

// The one that waits for another's token says so, and counts no mint.
func TestLogLineOfAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := timed(t)
		relay.Aspose.Respond(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet {
				return taking(upstreamTime/2)(w, r) // ends before the call that mints
			}
			return taking(upstreamTime)(w, r)
		})
		var leader sync.WaitGroup
		leader.Go(func() { invoke(t, relay, submitEvent()) })
		pass(t.Context(), secretTime+tokenTime/2)
		if r := invoke(t, relay, resultEvent().with("queryStringParameters", map[string]string{"id": "x"})); r.StatusCode != http.StatusOK {
			t.Errorf("answered %d %s", r.StatusCode, r.body)
		}
		line, _, _ := strings.Cut(relay.out.String(), "\n")
		leader.Wait()
		golden(t, "log/wait.txt", []byte(line+"\n"))
		if n := strings.Count(relay.out.String(), `"mints":1`); n != 1 {
			t.Errorf("%d mints counted", n)
		}
	})
}

// An error's own text can hold what the other side sent; its kind is logged.
func TestLoggedCauses(t *testing.T) {
	for want, err := range map[string]error{
		"upstream_unreachable: failed (*errors.errorString)": errors.New(canary),
		"upstream_unreachable: timed out":                    context.DeadlineExceeded,
	} {
		f := newFixture(func(*http.Request) (*http.Response, error) { return nil, err })
		invoke(t, f, submitEvent())
		if log := f.out.String(); !strings.Contains(log, `"code":"upstream_unreachable","problems":1,"error":"`+want+`",`) {
			t.Errorf("logged %s, want %s", log, want)
		}
	}
}

// Of invocations beside one another one is the first, and tells of the prefetch.
func TestFirstInvocationOfSeveral(t *testing.T) {
	relay := onSockets(t)
	relay.Prefetched(callrecord.Minting{MintFailures: 1, SecretReads: 1})
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() { invoke(t, relay, submitEvent()) })
	}
	calls.Wait()
	log := relay.out.String()
	for _, once := range []string{`"cold_starts":1,`, `"mint_failures":1,`, `"mints":1,`} {
		if n := strings.Count(log, once); n != 1 {
			t.Errorf("%s: %d times in %s", once, n, log)
		}
	}
}

// What a relayed call costs goes by its method, and polls by their path. A call that
// was rejected with 401 and sent again is one.
func TestLoggedCosts(t *testing.T) {
	for call, want := range map[string]string{
		"POST " + submitPath:                                        `"billable_calls":1`,
		"PUT /v3.0/omr/storage/file/x":                              `"billable_calls":1`,
		"GET " + resultPath:                                         `"polls":1`,
		"GET /v5.0/omr/GenerateTemplate/GetGenerateTemplate":        `"polls":1`,
		"GET /v3.0/omr/storage/file/x":                              "",
		"GET /v5.0/omr/RecognizeTemplate/Else":                      "",
		"GET /v3.0/omr/RecognizeTemplate/GetRecognizeTemplate":      "",
		"GET /v5.0/omr/RecognizeTemplate/GetRecognizeTemplate/more": "",
		"DELETE /v5.0/omr/RecognizeTemplate":                        "",
	} {
		synctest.Test(t, func(t *testing.T) {
			relay := inBubble(t)
			mint(t, relay)
			relay.Sandbox.Token.RevokeAll()
			relay.out.Reset()
			method, path, _ := strings.Cut(call, " ")
			invoke(t, relay, restEvent(method, path))
			log := relay.out.String()
			got := regexp.MustCompile(`"(billable_calls|polls)":\d+`).FindAllString(log, -1)
			if strings.Join(got, " ") != want || !strings.Contains(log, `"upstream_calls":2`) || !strings.Contains(log, `"repairs":1`) {
				t.Errorf("%s: counted %q: %s", call, got, log)
			}
		})
	}
}
