package handler_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var deadlines = []time.Duration{
	100 * time.Millisecond, time.Second, 2 * time.Second, 3 * time.Second, 5 * time.Second, 10 * time.Second, 28 * time.Second, 29 * time.Second,
}

// inTime invokes within the deadline and returns the answer and the time left
// for Lambda to carry it out.
func inTime(t *testing.T, h invoker, e event, deadline time.Duration) (reply, time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(withID(t.Context()), deadline)
	defer cancel()
	began := time.Now()
	out, err := h.Invoke(ctx, e.payload())
	if err != nil {
		t.Fatal(err)
	}
	return readReply(t, out), deadline - time.Since(began)
}

// reserve is what must be left of a deadline: a tenth, half a second at most.
func reserve(deadline time.Duration) time.Duration { return min(deadline/10, 500*time.Millisecond) }

// hungBody gives some of an answer and then nothing more while ctx lives.
type hungBody struct {
	io.Reader
	ctx context.Context //nolint:containedctx // a body has no other way to learn of its request's end
}

func (b hungBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

// A slow upstream becomes an answer of the relay's, and never Lambda's timeout.
func TestHangingUpstream(t *testing.T) {
	for name, upstream := range map[string]roundTrip{
		"before the answer": func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
		"in the middle of it": func(r *http.Request) (*http.Response, error) {
			body := hungBody{strings.NewReader("half"), r.Context()}
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(body), ContentLength: 8}, nil
		},
	} {
		for _, deadline := range deadlines {
			t.Run(name+" "+deadline.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r, left := inTime(t, newFixture(upstream), submitEvent(), deadline)
					wantProblem(t, r, http.StatusGatewayTimeout, "upstream_timeout")
					if left != reserve(deadline) {
						t.Errorf("%v are left, want %v", left, reserve(deadline))
					}
				})
			})
		}
	}
}

// An upstream that answers within the deadline less the reserve is waited for.
func TestSlowUpstream(t *testing.T) {
	for _, deadline := range deadlines {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(func(r *http.Request) (*http.Response, error) {
				if !pass(r.Context(), deadline-reserve(deadline)-time.Millisecond) {
					return nil, r.Context().Err()
				}
				return respond(http.StatusOK, nil, "late"), nil
			})
			if r, _ := inTime(t, f, submitEvent(), deadline); string(r.body) != "late" {
				t.Errorf("%v: got %d %s", deadline, r.StatusCode, r.body)
			}
		})
	}
}

// The same for what comes before the call: no token, no call.
func TestHangingTokenPath(t *testing.T) {
	for _, deadline := range deadlines {
		synctest.Test(t, func(t *testing.T) {
			relay := inBubble(t)
			relay.Token.Respond(hanging)
			r, left := inTime(t, relay, submitEvent(), deadline)
			wantProblem(t, r, http.StatusServiceUnavailable, "token_unavailable")
			if left < reserve(deadline) || r.Headers["Retry-After"] == "" {
				t.Errorf("%v: %v are left, Retry-After %q", deadline, left, r.Headers["Retry-After"])
			}
			if n := relay.Aspose.Count(); n != 0 {
				t.Errorf("%v: %d calls without a token", deadline, n)
			}
		})
		synctest.Test(t, func(t *testing.T) {
			relay := inBubble(t)
			relay.Secrets.Respond(hanging)
			r, left := inTime(t, relay, submitEvent(), deadline)
			wantProblem(t, r, http.StatusServiceUnavailable, "credentials_unavailable")
			if left < reserve(deadline) || r.Headers["Retry-After"] == "" {
				t.Errorf("%v: %v are left, Retry-After %q", deadline, left, r.Headers["Retry-After"])
			}
		})
	}
}

// A context without a deadline is held to API Gateway's limit.
func TestNoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		began := time.Now()
		wantProblem(t, invoke(t, f, submitEvent()), http.StatusGatewayTimeout, "upstream_timeout")
		if took := time.Since(began); took != 29*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// A deadline that has passed already leaves no time for a call.
func TestDeadlineInThePast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithDeadline(withID(t.Context()), time.Now().Add(-time.Minute))
		defer cancel()
		f := newFixture(func(r *http.Request) (*http.Response, error) { return nil, r.Context().Err() })
		out, err := f.Invoke(ctx, submitEvent().payload())
		if err != nil {
			t.Fatal(err)
		}
		wantProblem(t, readReply(t, out), http.StatusGatewayTimeout, "upstream_timeout")
	})
}

// The call's context ends with the invocation, also where the invocation had
// none of its own.
func TestContextEndsWithTheInvocation(t *testing.T) {
	var kept context.Context
	f := newFixture(func(r *http.Request) (*http.Response, error) {
		kept = r.Context()
		if err := kept.Err(); err != nil {
			t.Errorf("%v during the call", err)
		}
		return respond(http.StatusOK, nil, ""), nil
	})
	invoke(t, f, submitEvent())
	if kept.Err() == nil {
		t.Error("the context lives on")
	}
}

// An invocation that Lambda gave up has no one to answer, and yet ends.
func TestCancelledInvocation(t *testing.T) {
	ctx, cancel := context.WithCancel(withID(t.Context()))
	f := newFixture(func(r *http.Request) (*http.Response, error) {
		cancel()
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	out, err := f.Invoke(ctx, submitEvent().payload())
	if err != nil {
		t.Fatal(err)
	}
	wantProblem(t, readReply(t, out), http.StatusGatewayTimeout, "upstream_timeout")
}
