package handler_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
)

// A kept connection turns out dead only after the call has gone out on it: the
// upstream takes the second request and hangs up. What may be repeated is, on
// a fresh connection; a POST is not, for it may have been received.
func TestDeadConnection(t *testing.T) {
	for method, repeated := range map[string]bool{
		http.MethodGet: true, http.MethodHead: true, http.MethodOptions: true, http.MethodPut: true, http.MethodDelete: true,
		http.MethodPost: false, http.MethodPatch: false,
	} {
		t.Run(method, func(t *testing.T) {
			var mu sync.Mutex
			onFirst := 0
			upstream := listenRaw(t, func(r wireRequest) string {
				mu.Lock()
				defer mu.Unlock()
				if r.conn == 1 {
					if onFirst++; onFirst == 2 {
						return hangUp
					}
				}
				return okTo(r)
			})
			relay := behindSocket(t, upstream.url(), "token")
			body := `{"the body":` + strings.Repeat(" ", 64<<10) + "1}"
			first := invoke(t, relay, restEvent(method, submitPath+"/1").withBody(body))
			second := invoke(t, relay, restEvent(method, submitPath+"/2").withBody(body))
			if first.StatusCode != http.StatusOK {
				t.Fatalf("first: %d %s", first.StatusCode, first.body)
			}
			var got []wireRequest
			for _, r := range upstream.requests() {
				if strings.Contains(r.line, "/2 ") {
					got = append(got, r)
				}
			}
			if !repeated {
				wantProblem(t, second, http.StatusBadGateway, "upstream_unreachable")
				if len(got) != 1 {
					t.Errorf("sent %d times", len(got))
				}
				return
			}
			if second.StatusCode != http.StatusOK || len(got) != 2 || got[0].conn != 1 || got[1].conn != 2 {
				t.Fatalf("second: %d %s after %d sendings", second.StatusCode, second.body, len(got))
			}
			if got[1].String() != got[0].String() || string(got[1].body) != body {
				t.Error("the repeated call differs")
			}
			if strings.Contains(got[0].String(), "Idempotency-Key") {
				t.Errorf("what is for net/http alone went out:\n%s", got[0].fields)
			}
		})
	}
}

// On a connection of its own nothing at all is repeated.
func TestBrokenFirstConnection(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodPost} {
		upstream := listenRaw(t, func(wireRequest) string { return hangUp })
		relay := behindSocket(t, upstream.url(), "token")
		wantProblem(t, invoke(t, relay, restEvent(method, resultPath)), http.StatusBadGateway, "upstream_unreachable")
		if n := len(upstream.requests()); n != 1 {
			t.Errorf("%s was sent %d times", method, n)
		}
	}
}

// No status but 401 has a call sent again.
func TestNoReplayOnOtherStatuses(t *testing.T) {
	for _, status := range []int{400, 403, 407, 408, 409, 421, 425, 429, 500, 502, 503, 504} {
		upstream := listenRaw(t, func(wireRequest) string { return rawAnswer(status, "theirs") })
		relay := behindSocket(t, upstream.url(), "token")
		for i, method := range []string{http.MethodPost, http.MethodGet} {
			r := invoke(t, relay, restEvent(method, resultPath).withBody("x"))
			if n := len(upstream.requests()); r.StatusCode != status || string(r.body) != "theirs" || n != i+1 {
				t.Errorf("%s %d: answered %d %s after %d requests", method, status, r.StatusCode, r.body, n)
			}
		}
	}
}

// After a 401 the call goes out once more, whole, with another token.
func TestReplayAfter401(t *testing.T) {
	relay := onSockets(t)
	invoke(t, relay, submitEvent())
	relay.Aspose.Record(10)
	relay.Sandbox.Token.RevokeAll()
	body := string(allBytes()[:128])
	r := invoke(t, relay, restEvent(http.MethodPost, submitPath+"/a%2Fb").withBody(body).withHeaders("X-Aspose-Client", "x"))
	got := relay.Aspose.Requests()
	if r.StatusCode != http.StatusNotFound || len(got) != 2 { // what the stand-in says to such a path
		t.Fatalf("answered %d %s after %d calls", r.StatusCode, r.body, len(got))
	}
	for _, call := range got {
		if string(call.Body) != body || call.Target != submitPath+"/a%2Fb" || call.Header.Get("X-Aspose-Client") != "x" {
			t.Errorf("sent %s %q", call.Target, call.Body)
		}
	}
	if bearer(got[0]) == bearer(got[1]) || !relay.Sandbox.Token.Valid(bearer(got[1])) {
		t.Error("the token is not a new one")
	}
}

// A second 401, on a fresh token, is the relay's failure to tell; the call is
// not sent a third time.
func TestSecond401(t *testing.T) {
	relay := onSockets(t)
	relay.Aspose.Respond(answering(http.StatusUnauthorized, "theirs"))
	wantProblem(t, invoke(t, relay, submitEvent()), http.StatusBadGateway, "upstream_rejected_token")
	if n := relay.Aspose.Count(); n != 2 {
		t.Errorf("sent %d times", n)
	}
}
