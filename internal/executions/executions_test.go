package executions_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"omr-relay/internal/executions"
	"omr-relay/internal/problem"
)

const (
	arn = "arn:aws:states:us-east-1:123456789012:stateMachine:Batch"
	run = "arn:aws:states:us-east-1:123456789012:mapRun:Batch/Sheets:1"
)

func executionARN(name string) string {
	return "arn:aws:states:us-east-1:123456789012:execution:Batch:" + name
}

// steps is Step Functions, as far as it is asked: operation → answer, or an error by its
// name. It keeps what it was sent.
type steps struct {
	answers map[string]func(in map[string]any) any
	asked   []string
}

type apiError string

func serve(t *testing.T, answers map[string]func(in map[string]any) any) (*executions.Machine, *steps) {
	t.Helper()
	s := &steps{answers: answers}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AWSStepFunctions.")
		body, _ := io.ReadAll(r.Body)
		var in map[string]any
		if err := json.Unmarshal(body, &in); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		s.asked = append(s.asked, operation+" "+string(body))
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		answer := any(apiError("UnknownOperationException"))
		if f := s.answers[operation]; f != nil {
			answer = f(in)
		}
		if name, ok := answer.(apiError); ok {
			w.WriteHeader(http.StatusBadRequest)
			answer = map[string]string{"__type": "com.amazonaws.swf.service.v2.model#" + string(name), "message": "somebody's words about anna.jpg"}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	return executions.New(config(server.URL), arn), s
}

func config(url string) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	}
}

func always(answer any) func(map[string]any) any { return func(map[string]any) any { return answer } }

func TestStart(t *testing.T) {
	m, s := serve(t, map[string]func(map[string]any) any{"StartExecution": always(map[string]any{"executionArn": executionARN("a"), "startDate": 1})})
	if err := m.Start(t.Context(), "a", map[string]any{"prefix": "batches/x/"}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(s.asked); got != `[StartExecution {"input":"{\"prefix\":\"batches/x/\"}","name":"a","stateMachineArn":"`+arn+`"}]` {
		t.Error(got)
	}
	// Whoever starts one again finds it.
	s.answers["StartExecution"] = always(apiError("ExecutionAlreadyExists"))
	if err := m.Start(t.Context(), "a", nil); err != nil {
		t.Error(err)
	}
}

func TestDescribe(t *testing.T) {
	m, s := serve(t, map[string]func(map[string]any) any{
		"DescribeExecution": always(map[string]any{
			"executionArn": executionARN("a"), "stateMachineArn": arn, "name": "a", "status": "RUNNING", "startDate": 1700000000.5,
			"input": `{"prefix":"batches/x/"}`,
		}),
		"ListMapRuns": always(map[string]any{"mapRuns": []any{}}),
	})
	e, ok, err := m.Describe(t.Context(), "a")
	if err != nil || !ok || e.Status != executions.Running || e.Started.UnixMilli() != 1700000000500 || !e.Ended.IsZero() || e.Input != `{"prefix":"batches/x/"}` || e.Sheets != (executions.Counts{}) {
		t.Errorf("%+v, %t, %v", e, ok, err)
	}
	s.answers["ListMapRuns"] = always(map[string]any{"mapRuns": []any{
		map[string]any{"executionArn": executionARN("a"), "mapRunArn": run + "0", "stateMachineArn": arn, "startDate": 1},
		map[string]any{"executionArn": executionARN("a"), "mapRunArn": run, "stateMachineArn": arn, "startDate": 2},
	}})
	s.answers["DescribeMapRun"] = func(in map[string]any) any {
		if in["mapRunArn"] != run {
			t.Errorf("asked for %v", in)
		}
		return map[string]any{"mapRunArn": run, "executionArn": executionARN("a"), "status": "RUNNING", "maxConcurrency": 7, "startDate": 2,
			"itemCounts":      map[string]any{"pending": 1, "running": 2, "succeeded": 3, "failed": 4, "timedOut": 5, "aborted": 6, "total": 21, "resultsWritten": 0},
			"executionCounts": map[string]any{"pending": 0, "running": 0, "succeeded": 0, "failed": 0, "timedOut": 0, "aborted": 0, "total": 0, "resultsWritten": 0},
		}
	}
	for status, want := range map[string]executions.Status{
		"RUNNING": executions.Running, "SUCCEEDED": executions.Succeeded, "FAILED": executions.Failed, "TIMED_OUT": executions.Failed, "ABORTED": executions.Stopped, "PENDING_REDRIVE": executions.Running,
	} {
		s.answers["DescribeExecution"] = always(map[string]any{
			"executionArn": executionARN("a"), "stateMachineArn": arn, "status": status, "startDate": 1, "stopDate": 3, "error": "NoScans", "cause": "words", "output": "{}",
		})
		e, ok, err := m.Describe(t.Context(), "a")
		if err != nil || !ok || e.Status != want || e.Error != "NoScans" || e.Output != "{}" || e.Ended.Unix() != 3 ||
			e.Sheets != (executions.Counts{Total: 21, Pending: 1, Running: 2, Succeeded: 3, Failed: 15}) {
			t.Errorf("%s: %+v, %t, %v", status, e, ok, err)
		}
	}
	s.answers["DescribeExecution"] = always(apiError("ExecutionDoesNotExist"))
	if e, ok, err := m.Describe(t.Context(), "none"); e != nil || ok || err != nil {
		t.Errorf("%+v, %t, %v", e, ok, err)
	}
}

func TestStop(t *testing.T) {
	m, s := serve(t, map[string]func(map[string]any) any{"StopExecution": always(map[string]any{"stopDate": 1})})
	if err := m.Stop(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if got := s.asked[0]; !strings.Contains(got, `"executionArn":"`+executionARN("a")+`"`) {
		t.Error(got)
	}
	s.answers["StopExecution"] = always(apiError("ExecutionDoesNotExist"))
	if err := m.Stop(t.Context(), "a"); err != nil {
		t.Error(err)
	}
}

// The batch that began first is the one that runs; those that erase one do not count.
func TestAlone(t *testing.T) {
	pages := map[any]any{}
	list := func(names ...string) {
		pages = map[any]any{}
		for i, name := range names {
			at, name, _ := strings.Cut(name, " ")
			seconds := 0
			_, _ = fmt.Sscan(at, &seconds)
			page := map[string]any{"executions": []any{map[string]any{"executionArn": executionARN(name), "stateMachineArn": arn, "name": name, "status": "RUNNING", "startDate": seconds}}}
			if i < len(names)-1 {
				page["nextToken"] = strconv.Itoa(i + 1)
			}
			token := any(nil)
			if i > 0 {
				token = strconv.Itoa(i)
			}
			pages[token] = page
		}
		if len(names) == 0 {
			pages[nil] = map[string]any{"executions": []any{}}
		}
	}
	m, s := serve(t, map[string]func(map[string]any) any{"ListExecutions": func(in map[string]any) any {
		if in["stateMachineArn"] != arn || in["statusFilter"] != "RUNNING" {
			t.Errorf("asked for %v", in)
		}
		return pages[in["nextToken"]]
	}})
	for _, tt := range []struct {
		running  []string
		earliest string
		alone    bool // of execution mine
	}{
		{nil, "", true}, // it is not listed yet
		{[]string{"5 mine"}, "mine", true},
		{[]string{"9 later", "5 mine"}, "mine", true},
		{[]string{"9 later", "5 mine", "1 erase-x"}, "mine", true},
		{[]string{"5 mine", "4 earlier"}, "earlier", false},
		{[]string{"5 mine", "5 first"}, "first", false},
		{[]string{"5 mine", "5 second"}, "mine", true},
		{[]string{"5 x-mine"}, "x-mine", false},
		{[]string{"5 not:mine"}, "not:mine", false},
	} {
		list(tt.running...)
		earliest, err := m.Earliest(t.Context())
		alone, aloneErr := m.Alone(t.Context(), executionARN("mine"))
		if earliest != tt.earliest || alone != tt.alone || errors.Join(err, aloneErr) != nil {
			t.Errorf("%v: %q, alone %t, %v", tt.running, earliest, alone, errors.Join(err, aloneErr))
		}
	}
	s.answers["ListExecutions"] = always(apiError("ThrottlingException"))
	if _, err := m.Alone(t.Context(), executionARN("mine")); err == nil {
		t.Error("nobody knows, and it is alone")
	}
}

func TestConcurrency(t *testing.T) {
	m, s := serve(t, map[string]func(map[string]any) any{
		"ListMapRuns":  always(map[string]any{"mapRuns": []any{}}),
		"UpdateMapRun": always(map[string]any{}),
	})
	if got, now, err := m.Concurrency(t.Context(), executionARN("a")); got != "" || now != 0 || err != nil {
		t.Errorf("%q %d %v", got, now, err)
	}
	s.answers["ListMapRuns"] = always(map[string]any{"mapRuns": []any{map[string]any{"executionArn": executionARN("a"), "mapRunArn": run, "stateMachineArn": arn, "startDate": 2}}})
	s.answers["DescribeMapRun"] = always(map[string]any{"mapRunArn": run, "executionArn": executionARN("a"), "status": "RUNNING", "maxConcurrency": 7, "startDate": 2})
	got, now, err := m.Concurrency(t.Context(), executionARN("a"))
	if got != run || now != 7 || err != nil {
		t.Errorf("%q %d %v", got, now, err)
	}
	if err := m.SetConcurrency(t.Context(), got, 3); err != nil {
		t.Error(err)
	}
	if last := s.asked[len(s.asked)-1]; last != `UpdateMapRun {"mapRunArn":"`+run+`","maxConcurrency":3}` {
		t.Error(last)
	}
}

// What fails is told in our words, with the service's code, and when to come back.
func TestFaults(t *testing.T) {
	for code, want := range map[string]string{
		"AccessDeniedException":     "Step Functions denies access to the state machine: AccessDeniedException",
		"StateMachineDoesNotExist":  "there is no such state machine: StateMachineDoesNotExist",
		"ThrottlingException":       "Step Functions is throttling: ThrottlingException",
		"ExecutionLimitExceeded":    "Step Functions is throttling: ExecutionLimitExceeded",
		"InvalidName":               "Step Functions failed: InvalidName",
		"Some odd words, anna.jpg!": "Step Functions failed: failed (",
	} {
		answer := always(apiError(code))
		m, _ := serve(t, map[string]func(map[string]any) any{
			"StartExecution": answer, "DescribeExecution": answer, "StopExecution": answer, "ListExecutions": answer, "ListMapRuns": answer, "UpdateMapRun": answer,
		})
		_, _, described := m.Describe(t.Context(), "a")
		_, listed := m.Earliest(t.Context())
		_, _, ran := m.Concurrency(t.Context(), executionARN("a"))
		for _, err := range []error{m.Start(t.Context(), "a", nil), described, m.Stop(t.Context(), "a"), listed, ran, m.SetConcurrency(t.Context(), run, 1)} {
			e, ok := errors.AsType[*problem.Error](err)
			if !ok || e.Code != problem.BatchesUnavailable || !strings.HasPrefix(e.Error(), "batches_unavailable: "+want) || e.RetryAfter < time.Second {
				t.Errorf("%s: %v", code, err)
			}
			if text := fmt.Sprintf("%v %+v %#v %s", err, err, err, e.Detail); strings.Contains(text, "anna") {
				t.Errorf("%s: %s", code, text)
			}
		}
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	cfg := config(gone.URL)
	if _, err := executions.New(cfg, arn).Earliest(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "batches_unavailable: Step Functions cannot be reached, or broke off: connection refused") {
		t.Error(err)
	}
}
