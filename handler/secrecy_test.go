package handler_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"omr-relay/internal/sandbox"
)

// Whatever becomes of an invocation, no credential, token, body, query or
// header value stands in what it writes, nor in a problem.
func TestSecrecy(t *testing.T) {
	const body, query, header, path, theirs = "canary-body", "canary-query", "canary-header", "canary-path", "canary-theirs"
	for name, spoil := range map[string]func(*wired){
		"success":        func(*wired) {},
		"upstream's 400": func(w *wired) { w.Aspose.Respond(answering(400, theirs)) },
		"upstream's 500": func(w *wired) { w.Aspose.Respond(answering(500, theirs)) },
		"rejected token": func(w *wired) { w.Aspose.Respond(answering(401, theirs)) },
		"broken upstream": func(w *wired) {
			w.Aspose.Respond(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
		},
		"panicking upstream": func(w *wired) { w.Aspose.Respond(func(_ http.ResponseWriter, r *http.Request) bool { panic(r) }) },
		"hanging upstream":   func(w *wired) { w.Aspose.Respond(hanging) },
		"large answer": func(w *wired) {
			w.Aspose.Respond(answering(200, strings.Repeat(theirs, payloadLimit/len(theirs)+1)))
		},
		"invalid client": func(w *wired) { w.Sandbox.Token.Accept("another", "secret") },
		"echoing token endpoint": func(w *wired) {
			w.Sandbox.Token.Respond(func(rw http.ResponseWriter, r *http.Request) bool {
				rw.WriteHeader(http.StatusBadRequest)
				_ = r.Write(rw)
				return true
			})
		},
		"hanging token endpoint": func(w *wired) { w.Sandbox.Token.Respond(hanging) },
		"no secret":              func(w *wired) { w.Secrets.Fail(sandbox.AccessDenied, -1) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				relay := inBubble(t)
				relay.Rotate("canary-id", "canary-secret")
				relay.Aspose.Record(100)
				spoil(relay)
				for kind, e := range eachKind(http.MethodPost, submitPath+"/"+path) {
					e = e.withBody(body).withHeaders("Accept", header, "Authorization", header, "Content-Type", header)
					if kind == "rest" {
						e = e.with("queryStringParameters", map[string]string{query: query})
					} else {
						e = e.with("rawQueryString", query+"="+query)
					}
					r := invoke(t, relay, e)
					if r.Headers["Content-Type"] == "application/problem+json" && strings.Contains(string(r.raw), "canary") {
						t.Errorf("told %s", r.raw)
					}
				}
				warmUp(t, relay, warmUps["scheduler"])
				told := relay.out.String()
				if strings.Contains(told, "canary") || strings.Contains(told, "eyJ") {
					t.Errorf("wrote %s", told)
				}
				if strings.Count(told, `"message":"invocation"`) != 3 {
					t.Errorf("not one line for each of 3 invocations: %s", told)
				}
				for _, call := range relay.Aspose.Requests() {
					if token := bearer(call); token != "" && strings.Contains(told, token) {
						t.Errorf("wrote a token: %s", told)
					}
				}
			})
		})
	}
}
