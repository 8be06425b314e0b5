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

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"omr-relay/internal/executions"
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
	return executions.New(pointedAt(server.URL), arn), s
}

func pointedAt(url string) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	}
}

func always(answer any) func(map[string]any) any { return func(map[string]any) any { return answer } }

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
