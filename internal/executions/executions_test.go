package executions_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"omr-relay/internal/executions"
	"omr-relay/internal/problem"
	"omr-relay/internal/sandbox"
)

const name = "0123456789abcdef0123456789abcdef-fedcba9876543210fedcba9876543210"

// newMachine is one on the stand-in, without a socket.
func newMachine() (*executions.Machine, *sandbox.StepFunctions) {
	s := &sandbox.StepFunctions{}
	return machineOn(s), s
}

func machineOn(s http.Handler) *executions.Machine {
	return executions.New(aws.Config{
		Region: "us-east-1", BaseEndpoint: new("http://states.test"), HTTPClient: &http.Client{Transport: sandbox.InProcess(s)},
		Credentials: credentials.NewStaticCredentialsProvider("AKIASANDBOX", "secret", ""),
	}, sandbox.DefaultStateMachine)
}

type input struct {
	Prefix string `json:"prefix"`
}

// TestExecution: started once, told of, ended.
func TestExecution(t *testing.T) {
	m, s := newMachine()
	if _, ok, err := m.Describe(t.Context(), name); ok || err != nil {
		t.Errorf("before: %v, %v", ok, err)
	}
	for range 2 {
		if err := m.Start(t.Context(), name, input{"batches/x/"}); err != nil {
			t.Fatal(err)
		}
	}
	if names, inputs := s.Executions(); len(names) != 1 || inputs[0] != `{"prefix":"batches/x/"}` {
		t.Errorf("%q %q", names, inputs)
	}
	e, ok, err := m.Describe(t.Context(), name)
	if err != nil || !ok || e.Status != executions.Running || time.Since(e.Started) > time.Minute || !e.Ended.IsZero() || e.Sheets != (executions.Counts{}) {
		t.Errorf("%+v, %v, %v", e, ok, err)
	}
	s.Progress(name, sandbox.MapCounts{Total: 10, Pending: 3, Running: 2, Succeeded: 1, Failed: 1, TimedOut: 1, Aborted: 2})
	if e, _, err = m.Describe(t.Context(), name); err != nil || e.Sheets != (executions.Counts{Total: 10, Pending: 3, Running: 2, Succeeded: 1, Failed: 4}) {
		t.Errorf("%+v, %v", e, err)
	}
	s.Finish(name, `{"sheets":10}`)
	if e, _, err = m.Describe(t.Context(), name); err != nil || e.Status != executions.Succeeded || e.Output != `{"sheets":10}` || e.Ended.IsZero() {
		t.Errorf("%+v, %v", e, err)
	}
	// Its name is taken: the service says so, and what became of it stays.
	if err := m.Start(t.Context(), name, input{"batches/x/"}); err != nil {
		t.Error(err)
	}
	if err := m.Stop(t.Context(), name); err != nil {
		t.Error(err)
	}
	if e, _, err = m.Describe(t.Context(), name); err != nil || e.Status != executions.Succeeded {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestStop(t *testing.T) {
	m, s := newMachine()
	if err := m.Stop(t.Context(), name); err != nil {
		t.Errorf("none: %v", err)
	}
	s.Start(name, "{}")
	if err := m.Stop(t.Context(), name); err != nil {
		t.Error(err)
	}
	if e, _, err := m.Describe(t.Context(), name); err != nil || e.Status != executions.Stopped || e.Error != "Stopped" {
		t.Errorf("%+v, %v", e, err)
	}
	s.Start("other", "{}")
	s.Break("other", "TooManySheets", "a batch has 3 sheets at most")
	if e, _, err := m.Describe(t.Context(), "other"); err != nil || e.Status != executions.Failed || e.Error != "TooManySheets" {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestEarliest: the one that began first, of any number; those that erase do not count.
func TestEarliest(t *testing.T) {
	m, s := newMachine()
	now := time.Now()
	s.Now = func() time.Time { now = now.Add(time.Second); return now }
	s.Start("ended", "{}")
	s.Finish("ended", "{}")
	s.Start("erase-x", "{}")
	if got, err := m.Earliest(t.Context()); got != "" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	s.Start("first", "{}")
	for i := range 250 { // more than a page
		s.Start(fmt.Sprint("later-", i), "{}")
	}
	if got, err := m.Earliest(t.Context()); got != "first" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	now = now.Add(-time.Hour)
	s.Now = func() time.Time { return now }
	s.Start("b", "{}")
	s.Start("a", "{}")
	if got, err := m.Earliest(t.Context()); got != "a" || err != nil {
		t.Errorf("of the same time: %q, %v", got, err)
	}
}

// TestErase: a batch is erased once, and again where that went wrong.
func TestErase(t *testing.T) {
	m, s := newMachine()
	erase := func() (int, bool) {
		t.Helper()
		if err := m.Erase(t.Context(), name, input{"batches/x/"}); err != nil {
			t.Error(err)
		}
		names, _ := s.Executions()
		erasing, err := m.Erasing(t.Context(), name)
		if err != nil {
			t.Error(err)
		}
		return len(names), erasing
	}
	if erasing, err := m.Erasing(t.Context(), name); erasing || err != nil {
		t.Errorf("%v, %v", erasing, err)
	}
	for range 2 {
		if n, erasing := erase(); n != 1 || !erasing {
			t.Errorf("%d, %v", n, erasing)
		}
	}
	s.Break("erase-"+name, "Unavailable", "")
	if erasing, err := m.Erasing(t.Context(), name); erasing || err != nil {
		t.Errorf("once it went wrong: %v, %v", erasing, err)
	}
	if n, erasing := erase(); n != 2 || !erasing {
		t.Errorf("%d, %v", n, erasing)
	}
	s.Finish("erase-"+name+"-2", "{}")
	if n, erasing := erase(); n != 2 || !erasing {
		t.Errorf("%d, %v", n, erasing)
	}
}

// TestEraseGoesWrongForEver: there is an end to it.
func TestEraseGoesWrongForEver(t *testing.T) {
	m, s := newMachine()
	for range 9 {
		if err := m.Erase(t.Context(), name, input{}); err != nil {
			t.Fatal(err)
		}
		names, _ := s.Executions()
		s.Break(names[len(names)-1], "Unavailable", "")
	}
	err := m.Erase(t.Context(), name, input{})
	if e := problem.From(err); e.Code != problem.BatchesUnavailable || !strings.Contains(e.Error(), "too often") {
		t.Errorf("%v", err)
	}
}

// TestFaults: what Step Functions says of a call, and what becomes of it.
func TestFaults(t *testing.T) {
	const denied, throttled, none, failed, gone = "Step Functions denies access", "Step Functions is throttling", "there is no such state machine", "Step Functions failed",
		"Step Functions cannot be reached, or broke off"
	canary := "canary: arn:aws:sts::123456789012:assumed-role/relay"
	for _, tt := range []struct {
		status       int
		body, reason string
	}{
		{400, `{"__type":"com.amazon.coral.service#AccessDeniedException","message":"` + canary + `"}`, denied},
		{400, `{"__type":"UnrecognizedClientException","message":"` + canary + `"}`, denied},
		{403, `{"__type":"ExpiredTokenException","message":"` + canary + `"}`, denied},
		{400, `{"__type":"ThrottlingException","message":"` + canary + `"}`, throttled},
		{429, canary, throttled},
		{400, `{"__type":"StateMachineDoesNotExist","message":"` + canary + `"}`, none},
		{400, `{"__type":"ValidationException","message":"` + canary + `"}`, failed},
		{400, `{"__type":"<canary>"}`, failed},
		{500, "", failed},
		{503, "<html>" + canary, failed},
		{307, canary, failed},
		{200, "", failed},
		{200, "{}", failed},
		{200, "<html>" + canary, failed},
		{200, `{"executionArn":"arn:aws:states:us-east-1:123456789012:execution:another:x","executions":null,"mapRuns":null}`, failed},
		{0, "", gone},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := machineOn(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tt.status == 0 {
					panic(http.ErrAbortHandler)
				}
				w.Header().Set("Content-Type", "application/x-amz-json-1.0")
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			}))
			_, _, describing := m.Describe(t.Context(), name)
			_, listing := m.Earliest(t.Context())
			_, erasing := m.Erasing(t.Context(), name)
			for call, err := range map[string]error{
				"Start": m.Start(t.Context(), name, input{}), "Describe": describing, "Stop": m.Stop(t.Context(), name), "Earliest": listing,
				"Erase": m.Erase(t.Context(), name, input{}), "Erasing": erasing,
			} {
				e, ok := errors.AsType[*problem.Error](err)
				if !ok || e.Code != problem.BatchesUnavailable || e.Reason != tt.reason || e.RetryAfter <= 0 || e.RetryAfter > 30*time.Second {
					t.Errorf("%s, %d %.60s: %v", call, tt.status, tt.body, err)
				} else if text := e.Error() + e.Detail; strings.Contains(text, "canary") {
					t.Errorf("%s: %s", call, text)
				}
			}
		})
	}
}

// A map run that cannot be asked for is no execution without sheets.
func TestMapRunFails(t *testing.T) {
	m, s := newMachine()
	s.Start(name, "{}")
	s.Progress(name, sandbox.MapCounts{Total: 1})
	for _, operation := range []string{"ListMapRuns", "DescribeMapRun"} {
		s.Respond(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+operation) {
				return false
			}
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"__type":"AccessDeniedException"}`))
			return true
		})
		if _, _, err := m.Describe(t.Context(), name); problem.From(err).Reason != "Step Functions denies access" {
			t.Errorf("%s: %v", operation, err)
		}
	}
}
