package sandbox_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/smithy-go"

	"omr-relay/internal/sandbox"
)

// stepFunctions is the SDK's client on a stand-in.
func stepFunctions(t *testing.T) (*sfn.Client, *sandbox.StepFunctions) {
	t.Helper()
	s := &sandbox.StepFunctions{}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return sfn.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(sandbox.DefaultAccessKeyID, sandbox.DefaultSecretAccessKey, ""),
	}), s
}

func errorCode(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// TestStartExecution: as unkind as the service is.
func TestStartExecution(t *testing.T) {
	client, s := stepFunctions(t)
	s.Start("running", `{"a":1}`)
	s.Start("ended", `{"a":1}`)
	s.Finish("ended", "{}")
	for _, tt := range []struct{ machine, name, input, want string }{
		{sandbox.DefaultStateMachine, "new", `{"a":1}`, ""},
		{sandbox.DefaultStateMachine, strings.Repeat("n", 80), "", ""},
		{sandbox.DefaultStateMachine, "running", `{"a":1}`, ""},
		{sandbox.DefaultStateMachine, "running", `{"a":2}`, "ExecutionAlreadyExists"},
		{sandbox.DefaultStateMachine, "ended", `{"a":1}`, "ExecutionAlreadyExists"},
		{sandbox.DefaultStateMachine, strings.Repeat("n", 81), "", "InvalidName"},
		{sandbox.DefaultStateMachine, "a/b", "", "InvalidName"},
		{sandbox.DefaultStateMachine, "a b", "", "InvalidName"},
		{sandbox.DefaultStateMachine, "x", "{", "InvalidExecutionInput"},
		{sandbox.DefaultStateMachine, "x", `"` + strings.Repeat("x", 256<<10) + `"`, "InvalidExecutionInput"},
		{sandbox.DefaultStateMachine + "2", "x", "", "StateMachineDoesNotExist"},
	} {
		in := &sfn.StartExecutionInput{StateMachineArn: &tt.machine, Name: &tt.name}
		if tt.input != "" {
			in.Input = &tt.input
		}
		out, err := client.StartExecution(t.Context(), in)
		if errorCode(err) != tt.want || (err == nil) != (tt.want == "") {
			t.Errorf("%.20s %.20s: %v", tt.name, tt.input, err)
		} else if err == nil && !strings.HasSuffix(*out.ExecutionArn, ":execution:omr-relay-sandbox:"+tt.name) {
			t.Errorf("%s", *out.ExecutionArn)
		}
	}
	if names, _ := s.Executions(); len(names) != 4 {
		t.Errorf("%q", names)
	}
}

// TestExecutionsThatAreNot: what does not exist has no status, no map runs, no end.
func TestExecutionsThatAreNot(t *testing.T) {
	client, s := stepFunctions(t)
	s.Start("x", "{}")
	execution := strings.Replace(sandbox.DefaultStateMachine, "stateMachine", "execution", 1)
	for arn, want := range map[string]string{execution + ":y": "ExecutionDoesNotExist", execution + "2:x": "ExecutionDoesNotExist", "x": "InvalidArn"} {
		_, describing := client.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &arn})
		_, stopping := client.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &arn})
		_, listing := client.ListMapRuns(t.Context(), &sfn.ListMapRunsInput{ExecutionArn: &arn})
		for _, err := range []error{describing, stopping, listing} {
			if errorCode(err) != want {
				t.Errorf("%s: %v", arn, err)
			}
		}
	}
	if _, err := client.DescribeMapRun(t.Context(), &sfn.DescribeMapRunInput{MapRunArn: aws.String("x")}); errorCode(err) != "ResourceNotFound" {
		t.Errorf("%v", err)
	}
	if _, err := client.ListExecutions(t.Context(), &sfn.ListExecutionsInput{StateMachineArn: aws.String("x")}); errorCode(err) != "StateMachineDoesNotExist" {
		t.Errorf("%v", err)
	}
	if _, err := client.ListStateMachines(t.Context(), &sfn.ListStateMachinesInput{}); errorCode(err) != "UnknownOperationException" {
		t.Errorf("%v", err)
	}
}

// Without a signature nobody is served.
func TestStepFunctionsUnsigned(t *testing.T) {
	s := &sandbox.StepFunctions{}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("{}"))
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "AWSStepFunctions.ListExecutions")
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, r); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "MissingAuthenticationToken") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
