package budget_test

import (
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"omr-relay/internal/budget"
)

// TestNesting checks that each limit leaves room for what it lies in.
func TestNesting(t *testing.T) {
	call := budget.Function - budget.AnswerReserve
	for _, tt := range []struct {
		what        string
		inner, room time.Duration
	}{
		{"logging within the answer's reserve", budget.LogReserve, budget.AnswerReserve / 2},
		{"recording and logging within the answer's reserve", budget.RecordReserve + budget.LogReserve, budget.AnswerReserve},
		{"a new connection within one token request", budget.Dial + budget.TLSHandshake, budget.TokenAttempt},
		// The SDK makes three attempts; the call itself needs time as well.
		{"a secret out of reach and one token request", 3*budget.SecretAttempt + budget.TokenAttempt, call - 5*time.Second},
		{"two hung token requests", 2 * budget.TokenAttempt, call - 5*time.Second},
		{"a hung handshake after a hung token request", budget.TokenAttempt + budget.Dial + budget.TLSHandshake, call},
		{"old credentials within a refresh", budget.SecretFallback, budget.RefreshJoin - 300*time.Millisecond},
		{"a refresh's end within the call", budget.RefreshJoin, call / 10},
		{"finding a dead HTTP/2 connection within the call", 2 * budget.Ping, call},
		{"a last poll within a submission's time", budget.LastPoll, budget.Submission},
		{"submitting and waiting within the call", budget.Submission + budget.LastPoll, call / 2},
		{"a warm-up within the call", budget.WarmUp, call / 2},
		{"prefetching within Lambda's init", budget.Prefetch, 10 * time.Second / 2},
		// The largest scan has 200 MB.
		{"submitting a batch's largest sheet within a step", budget.BatchSubmission + 200<<20/budget.BatchBytesPerSecond*time.Second, budget.BatchFunction / 2},
		{"a new connection and two hung token requests within it", budget.Dial + budget.TLSHandshake + 2*budget.TokenAttempt, budget.BatchSubmission / 2},
		{"the function within API Gateway's limit", budget.Function, budget.Undeadlined},
	} {
		if tt.inner > tt.room {
			t.Errorf("%s: takes %v, has %v", tt.what, tt.inner, tt.room)
		}
	}
}

// TestFunctionIsTheDeployedTimeout holds the template to the drawing.
func TestFunctionIsTheDeployedTimeout(t *testing.T) {
	template, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^  RelayFunction:\n(?:(?:    .*)?\n)*?      Timeout: (\d+)`).FindSubmatch(template)
	if found == nil {
		t.Fatal("the template gives RelayFunction no Timeout")
	}
	if seconds, _ := strconv.Atoi(string(found[1])); time.Duration(seconds)*time.Second != budget.Function {
		t.Errorf("the template's Timeout is %s s, the drawing's %v", found[1], budget.Function)
	}
}
