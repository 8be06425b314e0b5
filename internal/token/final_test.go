package token_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/problem"
)

// finalAnswers are successes that bring no token, and would not if they were asked
// for again.
var finalAnswers = map[string]struct {
	body  string
	after time.Duration // 10 s after a denial
}{
	"error":              {invalidClient, 10 * time.Second},
	"unknown error":      {`{"error":"no"}`, 10 * time.Second},
	"error and token":    {grantJSON("abc", `,"error":"invalid_client"`), 10 * time.Second},
	"other type":         {`{"access_token":"abc","token_type":"mac","expires_in":60}`, 30 * time.Second},
	"token with CRLF":    {grantJSON("abc\r\nX-Forged: 1", ""), 30 * time.Second},
	"token with a space": {grantJSON("a b", ""), 30 * time.Second},
	"token with a comma": {grantJSON("a,b", ""), 30 * time.Second},
	"token beyond ASCII": {grantJSON("tökén", ""), 30 * time.Second},
	"token with NUL":     {grantJSON("a\x00b", ""), 30 * time.Second},
	"token too long":     {grantJSON(strings.Repeat("x", 16<<10+1), ""), 30 * time.Second},
}

func TestAnswerThatNoRetryMendsIsNotTriedAgain(t *testing.T) {
	for name, tt := range finalAnswers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.always(ok(tt.body))
				for range 2 {
					_, _, err := r.call(t)
					wantFault(t, err, problem.TokenUnavailable, tt.after)
				}
				want(t, "token requests", r.Token.Count(), 1)
			})
		})
	}
}

// packed is what only a gzip reader understands.
func packed(body string) string {
	var out strings.Builder
	w := gzip.NewWriter(&out)
	_, _ = io.WriteString(w, body)
	_ = w.Close()
	return out.String()
}

// TestLesson19_TokenAnswerThatComesCoded is asked for plain, and understood all
// the same, or refused at once.
func TestLesson19_TokenAnswerThatComesCoded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.Token.Record(1)
		r.always(status(http.StatusOK, packed(packed(grantJSON("abc", `,"expires_in":60`))), "Content-Encoding", "gzip, x-gzip"))
		want(t, "lifetime", r.left(t), time.Minute)
		want(t, "asked for", r.Token.Requests()[0].Header.Get("Accept-Encoding"), "identity")
	})
	for name, answer := range map[string]http.HandlerFunc{
		"unknown": status(http.StatusOK, "x", "Content-Encoding", "br"),
		"no gzip": status(http.StatusOK, grantJSON("abc", ""), "Content-Encoding", "gzip"),
		"denied":  status(http.StatusBadRequest, packed(invalidClient), "Content-Encoding", "gzip"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.always(answer)
				_, _, err := r.get(t, budget)
				after := 30 * time.Second
				if name == "denied" {
					after = 10 * time.Second
				}
				wantFault(t, err, problem.TokenUnavailable, after)
				want(t, "token requests", r.Token.Count(), 1)
			})
		})
	}
	t.Run("bomb", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.answers(status(http.StatusOK, packed(strings.Repeat(" ", 1<<20)), "Content-Encoding", "gzip"))
			r.mustGet(t)
			want(t, "token requests", r.Token.Count(), 2)
		})
	})
}
