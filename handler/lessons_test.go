package handler_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"omr-relay/internal/sandbox"
)

// A redirect, to another host or the same, is the caller's to follow: the
// Bearer goes nowhere but to the upstream.
func TestLesson06_RedirectIsPassedBack(t *testing.T) {
	other := listenRaw(t, okTo)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			location := ""
			upstream := listenRaw(t, func(wireRequest) string {
				return fmt.Sprintf("HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 5\r\n\r\nmoved", status, location)
			})
			for _, location = range []string{other.url() + "/v5.0/omr/x", upstream.url() + "/v5.0/omr/x", "/v5.0/omr/x", "//" + other.l.Addr().String()} {
				before := len(upstream.requests())
				relay := behindSocket(t, upstream.url(), "token")
				r := invoke(t, relay, restEvent(method, submitPath).withBody("x"))
				if r.StatusCode != status || r.Headers["Location"] != location || string(r.body) != "moved" {
					t.Errorf("%s %d to %s: got %d %v %s", method, status, location, r.StatusCode, r.Headers, r.body)
				}
				if n := len(upstream.requests()) - before; n != 1 {
					t.Errorf("%s %d to %s: %d requests", method, status, location, n)
				}
			}
		}
	}
	if n := len(other.requests()); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

// A burst of calls on a token that was revoked: one mint for all, and one
// replay for each.
func TestLesson07_BurstOf401sMintsOnce(t *testing.T) {
	const burst = 20
	relay := onSockets(t)
	invoke(t, relay, submitEvent())
	relay.Sandbox.Token.RevokeAll()

	// No call is answered before all have been sent with the revoked token.
	var sent sync.WaitGroup
	sent.Add(burst)
	relay.Aspose.Respond(func(_ http.ResponseWriter, r *http.Request) bool {
		if !relay.Sandbox.Token.Valid(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")) {
			sent.Done()
			sent.Wait()
		}
		return false
	})
	var calls sync.WaitGroup
	for range burst {
		calls.Go(func() {
			if r := invoke(t, relay, submitEvent()); r.StatusCode != http.StatusOK {
				t.Errorf("answered %d %s", r.StatusCode, r.body)
			}
		})
	}
	calls.Wait()
	if mints, n := relay.Sandbox.Token.Mints(), relay.Aspose.Count(); mints != 2 || n != 1+2*burst {
		t.Errorf("%d mints and %d calls, want 2 and %d", mints, n, 1+2*burst)
	}
}

// What the token endpoint, Secrets Manager or a broken upstream say reaches
// neither the caller nor the log.
func TestLesson12_NobodyElsesWordsAreToldOrLogged(t *testing.T) {
	for name, spoil := range map[string]func(*wired){
		"token endpoint, 400": func(w *wired) { w.Sandbox.Token.Respond(answering(400, `{"error":"`+canary+`"}`)) },
		"token endpoint, 401": func(w *wired) { w.Sandbox.Token.Respond(answering(401, canary)) },
		"token endpoint, 500": func(w *wired) { w.Sandbox.Token.Respond(answering(500, canary)) },
		"token endpoint, 200": func(w *wired) { w.Sandbox.Token.Respond(answering(200, canary)) },
		"token endpoint, odd": func(w *wired) { w.Sandbox.Token.Respond(answering(200, `{"access_token":"`+canary+` \n"}`)) },
		"token endpoint, 302": func(w *wired) { w.Sandbox.Token.Respond(answering(302, canary)) },
		"secret, not found": func(w *wired) {
			w.Secrets.Fail(sandbox.Fault{Status: 400, Type: "ResourceNotFoundException", Message: canary}, -1)
		},
		"secret, unknown": func(w *wired) {
			w.Secrets.Fail(sandbox.Fault{Status: 400, Type: canary + "Exception", Message: canary}, -1)
		},
		"secret, not JSON":     func(w *wired) { w.Secrets.Put(sandbox.DefaultSecretID, canary) },
		"secret, wrong keys":   func(w *wired) { w.Secrets.Put(sandbox.DefaultSecretID, `{"`+canary+`":"`+canary+`"}`) },
		"secret, wrong values": func(w *wired) { w.Secrets.Put(sandbox.DefaultSecretID, `{"client_id":"`+canary+`","client_secret":1}`) },
		"secret, binary":       func(w *wired) { w.Secrets.PutBinary(sandbox.DefaultSecretID, []byte(canary)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				relay := inBubble(t)
				spoil(relay)
				r := invoke(t, relay, submitEvent())
				if r.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("answered %d %s", r.StatusCode, r.body)
				}
				report := warmUp(t, relay, warmUps["rule"])
				if told := string(r.raw) + report + relay.out.String(); strings.Contains(told, canary) {
					t.Errorf("told %s", told)
				}
			})
		})
	}
	for name, answer := range map[string]string{
		"status line": "HTTP/1.1 " + canary + " OK\r\n\r\n",
		"protocol":    canary + "\r\n\r\n",
		"header":      "HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n",
		"length":      "HTTP/1.1 200 OK\r\nContent-Length: " + canary + "\r\n\r\n",
		"encoding":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + canary + "\r\n\r\n",
		"chunk":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + canary + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			upstream := listenRaw(t, func(wireRequest) string { return answer + hangUp })
			relay := behindSocket(t, upstream.url(), "token")
			r := invoke(t, relay, submitEvent())
			wantProblem(t, r, http.StatusBadGateway, "upstream_unreachable")
			if told := string(r.raw) + relay.out.String(); strings.Contains(told, canary) {
				t.Errorf("told %s", told)
			}
		})
	}
}

// The caller's token is never sent, and the relay's own cannot be stripped by
// naming it in Connection.
func TestLesson13_CallersAuthorizationNeverWins(t *testing.T) {
	upstream := listenRaw(t, okTo)
	relay := behindSocket(t, upstream.url(), "of-the-relay")
	for _, headers := range [][]string{
		{"Authorization", "Bearer of-the-caller"},
		{"authorization", "Bearer of-the-caller"},
		{"AUTHORIZATION", "Basic of-the-caller", "Authorization", "Bearer of-the-caller"},
		{"Connection", "Authorization"},
		{"connection", "close, authorization, host", "Authorization", "Bearer of-the-caller"},
		{"Proxy-Authorization", "Bearer of-the-caller", "Connection", "Proxy-Authorization"},
		{"Accept", "of-the-relay", "Connection", "accept"},
	} {
		for kind, e := range eachKind(http.MethodPost, submitPath) {
			invoke(t, relay, e.withBody("x").withHeaders(headers...))
			requests := upstream.requests()
			got := requests[len(requests)-1].fields
			if want := []string{"Accept-Encoding: identity", "Authorization: Bearer of-the-relay", "Content-Length: 1", "Host: upstream.test"}; !slices.Equal(got, want) {
				t.Errorf("%s %q: sent %q", kind, headers, got)
			}
		}
	}
}

// The raw path and the raw query arrive as the caller wrote them: nothing is
// decoded and encoded anew on the way.
func TestLesson14_RawPathAndQueryArrive(t *testing.T) {
	upstream := listenRaw(t, okTo)
	relay := behindSocket(t, upstream.url(), "token")
	for _, path := range []string{
		"/v3.0/omr/storage/file/a%2Fb%2fc", "/v5.0/omr/%7Euser/a~b", "/v5.0/omr/a+b%20c%2B", "/v5.0/omr/%C3%BC%c3%bc", "/%76%35.0/omr/x;v=1:@!$&'()*,=", "/v5.0/omr/100%25/",
	} {
		for _, query := range []string{"", "a=1&", "b=%2F/&a=+%20", "&&x", "a=%zz"} {
			invoke(t, relay, httpEvent(http.MethodGet, path).with("rawQueryString", query))
			want := "GET " + path + "?" + query + " HTTP/1.1"
			if query == "" {
				want = "GET " + path + " HTTP/1.1"
			}
			requests := upstream.requests()
			if got := requests[len(requests)-1].line; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
	}
}

// What the relay says of itself is a problem document with a code of its own;
// what the upstream says comes back as it is, whatever the status.
func TestLesson15_OwnFailuresAreTellableFromTheUpstreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		relay := inBubble(t)
		for _, status := range []int{400, 403, 404, 429, 500, 502, 503, 504} {
			relay.Aspose.Respond(answering(status, "theirs"))
			r := invoke(t, relay, submitEvent())
			if r.StatusCode != status || string(r.body) != "theirs" || r.Headers["Content-Type"] == "application/problem+json" {
				t.Errorf("%d came back as %d %v %s", status, r.StatusCode, r.Headers, r.body)
			}
		}
		relay.Aspose.Respond(answering(http.StatusUnauthorized, "theirs"))
		wantProblem(t, invoke(t, relay, submitEvent()), http.StatusBadGateway, "upstream_rejected_token")
	})
	synctest.Test(t, func(t *testing.T) {
		relay := inBubble(t)
		relay.Sandbox.Token.Respond(answering(http.StatusUnauthorized, "theirs"))
		r := invoke(t, relay, submitEvent())
		wantProblem(t, r, http.StatusServiceUnavailable, "token_unavailable")
		if r.Headers["Retry-After"] == "" || r.Headers["Www-Authenticate"] != "" {
			t.Errorf("told %v", r.Headers)
		}
	})
}
