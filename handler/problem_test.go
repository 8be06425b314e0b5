package handler_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/handler"
	"omr-relay/internal/problem"
	"omr-relay/internal/sandbox"
)

// Each failure, as the caller gets it. The token path is the real one.
func TestProblemDocuments(t *testing.T) {
	large := newFixture(bodyOf(&countingReader{}, payloadLimit+1))
	broken := newFixture(func(*http.Request) (*http.Response, error) { return nil, errors.New("broken") })
	for code, ask := range map[string]func(*testing.T) reply{
		"route_not_found": func(t *testing.T) reply {
			return invoke(t, newFixture(nil), restEvent(http.MethodGet, "/nowhere"))
		},
		"method_not_allowed": func(t *testing.T) reply {
			return invoke(t, newFixture(nil), restEvent(http.MethodTrace, resultPath))
		},
		"bad_request": func(t *testing.T) reply {
			return invoke(t, newFixture(nil), restEvent(http.MethodGet, "/v5.0/omr/../x"))
		},
		"unsupported_media_type": func(t *testing.T) reply {
			return invoke(t, newFixture(nil), submitEvent().withHeaders("Content-Encoding", "gzip"))
		},
		"payload_too_large": func(t *testing.T) reply {
			return invoke(t, newFixture(nil), submitEvent().withBody(strings.Repeat("x", payloadLimit)))
		},
		"response_too_large":   func(t *testing.T) reply { return invoke(t, large, resultEvent()) },
		"upstream_unreachable": func(t *testing.T) reply { return invoke(t, broken, resultEvent()) }, // not sent
		"internal_error":       func(t *testing.T) reply { return invoke(t, newFixture(panickingTrip), resultEvent()) },
		"upstream_timeout": func(t *testing.T) reply {
			relay := inBubble(t)
			relay.Aspose.Respond(hanging)
			return invoke(t, relay, resultEvent())
		},
		"upstream_rejected_token": func(t *testing.T) reply {
			relay := inBubble(t)
			relay.Aspose.Respond(answering(http.StatusUnauthorized, canary))
			return invoke(t, relay, resultEvent())
		},
		"upstream_echoed_token": func(t *testing.T) reply {
			relay := inBubble(t)
			relay.Aspose.Respond(func(w http.ResponseWriter, r *http.Request) bool {
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = io.WriteString(w, "<h1>Debug</h1>"+r.Header.Get("Authorization"))
				return true
			})
			return invoke(t, relay, resultEvent())
		},
		"token_unavailable": func(t *testing.T) reply {
			relay := inBubble(t)
			relay.Sandbox.Token.Accept("another", "secret")
			return invoke(t, relay, resultEvent())
		},
		"credentials_unavailable": func(t *testing.T) reply {
			relay := inBubble(t)
			relay.Secrets.Fail(sandbox.AccessDenied, -1)
			return invoke(t, relay, resultEvent())
		},
	} {
		t.Run(code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := ask(t)
				wantProblem(t, r, r.StatusCode, code)
				golden(t, "problems/"+code+".json", append(r.raw, '\n'))
			})
		})
	}
	if files, err := filepath.Glob("testdata/problems/*.json"); err != nil || len(files) != 13 {
		t.Errorf("%d problem documents, %v, want one for each of the 13 codes", len(files), err)
	}
}

// A caller who pays for each call is told whether it was sent.
func TestProblemTellsWhetherTheCallWasSent(t *testing.T) {
	const notSent, maybe = " The call was not sent.", " It may have received the call."
	refused := listenRaw(t, okTo)
	refused.l.Close()
	relay := behindSocket(t, refused.url(), "token")
	p := wantProblem(t, invoke(t, relay, submitEvent()), http.StatusBadGateway, "upstream_unreachable")
	if !strings.HasSuffix(p.Detail, notSent) {
		t.Errorf("no connection: %q", p.Detail)
	}
	for name, answer := range map[string]string{"no answer": hangUp, "half of it": "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab" + hangUp} {
		broken := listenRaw(t, func(wireRequest) string { return answer })
		relay := behindSocket(t, broken.url(), "token")
		p := wantProblem(t, invoke(t, relay, submitEvent()), http.StatusBadGateway, "upstream_unreachable")
		if !strings.HasSuffix(p.Detail, maybe) {
			t.Errorf("%s: %q", name, p.Detail)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done() // dials
			return nil, r.Context().Err()
		})
		p := wantProblem(t, invoke(t, f, submitEvent()), http.StatusGatewayTimeout, "upstream_timeout")
		if !strings.HasSuffix(p.Detail, notSent) {
			t.Errorf("no connection in time: %q", p.Detail)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		relay := inBubble(t)
		relay.Aspose.Respond(hanging)
		p := wantProblem(t, invoke(t, relay, submitEvent()), http.StatusGatewayTimeout, "upstream_timeout")
		if !strings.HasSuffix(p.Detail, maybe) {
			t.Errorf("no answer in time: %q", p.Detail)
		}
	})
}

// A failure that the table does not know is told by a constant message.
func TestUnknownFailures(t *testing.T) {
	for name, err := range map[string]error{
		"no fault":      &url.Error{Op: canary, URL: canary, Err: errors.New(canary)},
		"unknown code":  &problem.Error{Code: "new_" + canary, Detail: canary, Err: errors.New(canary)},
		"internal":      &problem.Error{Code: problem.Internal, Detail: canary, Err: errors.New(canary)},
		"no code":       &problem.Error{Detail: canary},
		"fault, inside": &url.Error{Op: canary, URL: canary, Err: &problem.Error{Code: problem.Internal, Detail: canary}},
	} {
		f := newFixture(func(*http.Request) (*http.Response, error) { return nil, err })
		r := invoke(t, f, resultEvent())
		if strings.Contains(string(r.body), canary) {
			t.Errorf("%s: told %s", name, r.body)
		}
		if name == "no fault" {
			wantProblem(t, r, http.StatusBadGateway, "upstream_unreachable")
			continue
		}
		p := wantProblem(t, r, http.StatusInternalServerError, "internal_error")
		if p.Detail != "The relay failed. The request id leads to its log line." {
			t.Errorf("%s: told %q", name, p.Detail)
		}
	}
}

// Retry-After is in whole seconds, rounded up: a caller who comes then must
// not come too early.
func TestRetryAfter(t *testing.T) {
	for after, want := range map[time.Duration]string{
		0: "", -time.Second: "", time.Nanosecond: "1", time.Second: "1", time.Second + 1: "2", 29500 * time.Millisecond: "30", 30 * time.Second: "30",
	} {
		f := newFixture(func(*http.Request) (*http.Response, error) {
			return nil, &problem.Error{Code: problem.TokenUnavailable, Detail: "No token.", RetryAfter: after}
		})
		r := invoke(t, f, resultEvent())
		wantProblem(t, r, http.StatusServiceUnavailable, "token_unavailable")
		if r.Headers["Retry-After"] != want {
			t.Errorf("%v: Retry-After %q, want %q", after, r.Headers["Retry-After"], want)
		}
	}
}

// A base URL that no request can be made of is the relay's fault and not the
// caller's.
func TestUnusableBaseURL(t *testing.T) {
	f := fixtureOf(handler.Config{BaseURL: &url.URL{Scheme: "https", Host: "a b"}})
	wantProblem(t, invoke(t, f, submitEvent()), http.StatusInternalServerError, "internal_error")
	f.none(t)
}

// Outside Lambda there is no request id, and the document has no instance.
func TestProblemWithoutARequestID(t *testing.T) {
	out, err := newFixture(nil).Invoke(t.Context(), restEvent(http.MethodGet, "/").payload())
	if err != nil {
		t.Fatal(err)
	}
	if r := readReply(t, out); r.StatusCode != http.StatusNotFound || strings.Contains(string(r.body), "instance") {
		t.Errorf("answered %d %s", r.StatusCode, r.body)
	}
}
