package problem_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"omr-relay/internal/problem"
)

func TestErrorText(t *testing.T) {
	for _, tt := range []struct {
		err  *problem.Error
		want string
	}{
		{&problem.Error{Code: problem.BadRequest}, "bad_request"},
		{&problem.Error{Code: problem.BadRequest, Reason: "no path"}, "bad_request: no path"},
		{&problem.Error{Code: problem.UpstreamTimeout, Err: context.DeadlineExceeded}, "upstream_timeout: timed out"},
		{
			&problem.Error{Code: problem.TokenUnavailable, Detail: "for the caller", Reason: "waiting", Err: context.Canceled, RetryAfter: time.Second},
			"token_unavailable: waiting: cancelled",
		},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestFrom(t *testing.T) {
	cause := &problem.Error{Code: problem.BadRequest, Err: context.Canceled}
	if got := problem.From(fmt.Errorf("relaying: %w", cause)); got != cause {
		t.Errorf("got %v, want the one in the chain", got)
	}
	if !errors.Is(cause, context.Canceled) {
		t.Error("the cause is lost")
	}
	unknown := errors.New("anything")
	if got := problem.From(unknown); got.Code != problem.Internal || !errors.Is(got, unknown) || got.Detail != "" {
		t.Errorf("got %v, want an internal error around it", got)
	}
}

// canary stands for bytes that the other side sent.
const canary = "cAnArY"

func TestLesson12_CauseIsNotPrinted(t *testing.T) {
	err := &problem.Error{Code: problem.Internal, Detail: "d", Err: &quoting{Quoted: canary}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		_, _ = fmt.Fprintf(&out, verb+"\n", err)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("it", "direct", err, "wrapped", struct{ V any }{err})
	}
	if err := json.NewEncoder(&out).Encode(map[string]any{"v": err}); err != nil {
		t.Error(err)
	}
	if text := out.String(); strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
		t.Errorf("the canary sings:\n%s", text)
	}
}

// quoting is an error whose text and fields hold what was received.
type quoting struct{ Quoted string }

func (e *quoting) Error() string { return fmt.Sprintf("malformed answer %q", e.Quoted) }
