package sandbox

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// DefaultStateMachine is the ARN of the only state machine there is.
const DefaultStateMachine = "arn:aws:states:" + region + ":" + account + ":stateMachine:omr-relay-sandbox"

const (
	amzJSON10           = "application/x-amz-json-1.0"
	maxStatesRequest    = 1 << 20 // the service's own
	maxExecutionInput   = 256 << 10
	maxExecutionName    = 80
	defaultExecutions   = 100 // of a page
	statesTarget        = "AWSStepFunctions."
	executionRunning    = "RUNNING"
	executionAborted    = "ABORTED"
	executionSucceeded  = "SUCCEEDED"
	executionFailed     = "FAILED"
	mapRunLabel         = "Sheets"
	forbiddenInName     = "<>{}[]?*\"#%\\^|~`$&,;:/"
	executionDoesNot    = "ExecutionDoesNotExist"
	executionIsThere    = "ExecutionAlreadyExists"
	stateMachineDoesNot = "StateMachineDoesNotExist"
)

// StepFunctions stands in for AWS Step Functions, in the AWS JSON 1.0 protocol:
// StartExecution, DescribeExecution, StopExecution, ListExecutions, ListMapRuns and
// DescribeMapRun of one machine, a STANDARD one. Nothing is run: a test moves an
// execution on, by Progress and Finish. It wants a well-formed Signature Version 4 but
// does not verify it.
type StepFunctions struct {
	Tap

	// Now dates executions; nil means time.Now.
	Now func() time.Time

	mu         sync.Mutex // guards what follows
	executions []*execution
}

type execution struct {
	name, input, status  string
	output, fault, cause string
	started, stopped     time.Time
	counts               *MapCounts
}

// MapCounts are of the items of an execution's map run.
type MapCounts struct {
	Total     int `json:"total"`
	Pending   int `json:"pending"`
	Running   int `json:"running"`
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
	TimedOut  int `json:"timedOut"`
	Aborted   int `json:"aborted"`
	Written   int `json:"resultsWritten"`
}

// Executions returns the names of all executions, in the order in which they were
// started, and the input of each.
func (s *StepFunctions) Executions() (names, inputs []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.executions {
		names, inputs = append(names, e.name), append(inputs, e.input)
	}
	return names, inputs
}

// Progress has an execution be in its map.
func (s *StepFunctions) Progress(name string, counts MapCounts) {
	s.change(name, func(e *execution) { e.counts = &counts })
}

// Finish ends an execution with that output.
func (s *StepFunctions) Finish(name, output string) {
	s.change(name, func(e *execution) { e.status, e.output, e.stopped = executionSucceeded, output, s.now() })
}

// Break ends an execution with an error of that name.
func (s *StepFunctions) Break(name, fault, cause string) {
	s.change(name, func(e *execution) {
		e.status, e.fault, e.cause, e.stopped = executionFailed, fault, cause, s.now()
	})
}

// Start starts an execution past the API, as somebody does who works in AWS itself.
func (s *StepFunctions) Start(name, input string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.executions = append(s.executions, &execution{name: name, input: input, status: executionRunning, started: s.now()})
}

func (s *StepFunctions) change(name string, change func(*execution)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.find(name)
	if e == nil {
		panic("sandbox: there is no execution " + name)
	}
	change(e)
}

func (s *StepFunctions) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

func (s *StepFunctions) find(name string) *execution {
	i := slices.IndexFunc(s.executions, func(e *execution) bool { return e.name == name })
	if i < 0 {
		return nil
	}
	return s.executions[i]
}

// ServeHTTP implements [http.Handler].
func (s *StepFunctions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, body, err := s.receive(w, r, maxStatesRequest)
	w.Header().Set("X-Amzn-RequestId", newGUID())
	if s.takenOver(w, r) {
		return
	}
	if err != nil {
		writeStates(w, http.StatusRequestEntityTooLarge, Fault{Type: "RequestEntityTooLargeException"})
		return
	}
	out, fault := s.serve(r, body)
	if fault != nil {
		writeStates(w, fault.Status, map[string]string{"__type": fault.Type, "message": fault.Message})
		return
	}
	writeStates(w, http.StatusOK, out)
}

func writeStates(w http.ResponseWriter, status int, v any) { writeJSON(w, status, amzJSON10, v) }

type statesInput struct {
	StateMachineArn, ExecutionArn, MapRunArn string
	Name, StatusFilter, NextToken            string
	Input                                    *string
	Error, Cause                             string
	MaxResults                               int
}

func statesFault(kind, format string, args ...any) *Fault {
	return &Fault{http.StatusBadRequest, kind, fmt.Sprintf(format, args...)}
}

// serve judges a request in the service's own order: the operation, the signature,
// what it asks for.
func (s *StepFunctions) serve(r *http.Request, body []byte) (any, *Fault) {
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), statesTarget)
	serve := map[string]func(statesInput) (any, *Fault){
		"StartExecution": s.start, "DescribeExecution": s.describe, "StopExecution": s.stop,
		"ListExecutions": s.list, "ListMapRuns": s.listMapRuns, "DescribeMapRun": s.describeMapRun,
	}[operation]
	if !ok || serve == nil || r.Method != http.MethodPost || r.URL.Path != "/" || mediaType != amzJSON10 {
		return nil, statesFault("UnknownOperationException", "The operation is not known.")
	}
	parts := sigV4.FindStringSubmatch(r.Header.Get("Authorization"))
	if len(parts) == 0 || parts[1] != "states" {
		return nil, statesFault("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	var in statesInput
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, statesFault("SerializationException", "The request body is not a JSON object of the expected shape.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return serve(in)
}

// start is idempotent for the same name and input while the execution runs.
func (s *StepFunctions) start(in statesInput) (any, *Fault) {
	input := "{}"
	if in.Input != nil {
		input = *in.Input
	}
	switch {
	case in.StateMachineArn != DefaultStateMachine:
		return nil, statesFault(stateMachineDoesNot, "State Machine Does Not Exist: '%s'", in.StateMachineArn)
	case in.Name == "" || len(in.Name) > maxExecutionName || strings.ContainsFunc(in.Name, badInName):
		return nil, statesFault("InvalidName", "Invalid Name: '%s'", in.Name)
	case len(input) > maxExecutionInput || !json.Valid([]byte(input)):
		return nil, statesFault("InvalidExecutionInput", "Invalid State Machine Execution Input")
	}
	e := s.find(in.Name)
	if e != nil && (e.status != executionRunning || e.input != input) {
		return nil, statesFault(executionIsThere, "Execution Already Exists: '%s'", executionARN(in.Name))
	}
	if e == nil {
		e = &execution{name: in.Name, input: input, status: executionRunning, started: s.now()}
		s.executions = append(s.executions, e)
	}
	return map[string]any{"executionArn": executionARN(e.name), "startDate": seconds(e.started)}, nil
}

func badInName(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(forbiddenInName, r) }

func (s *StepFunctions) describe(in statesInput) (any, *Fault) {
	e, fault := s.named(in.ExecutionArn)
	if fault != nil {
		return nil, fault
	}
	out := map[string]any{
		"executionArn": executionARN(e.name), "stateMachineArn": DefaultStateMachine, "name": e.name, "status": e.status,
		"startDate": seconds(e.started), "input": e.input, "inputDetails": map[string]bool{"included": true}, "redriveCount": 0,
	}
	if !e.stopped.IsZero() {
		out["stopDate"] = seconds(e.stopped)
	}
	for name, value := range map[string]string{"output": e.output, "error": e.fault, "cause": e.cause} {
		if value != "" {
			out[name] = value
		}
	}
	return out, nil
}

// stop leaves an execution that has ended as it is.
func (s *StepFunctions) stop(in statesInput) (any, *Fault) {
	e, fault := s.named(in.ExecutionArn)
	if fault != nil {
		return nil, fault
	}
	if e.status == executionRunning {
		e.status, e.fault, e.cause, e.stopped = executionAborted, in.Error, in.Cause, s.now()
	}
	return map[string]any{"stopDate": seconds(e.stopped)}, nil
}

// list has the latest first.
func (s *StepFunctions) list(in statesInput) (any, *Fault) {
	if in.StateMachineArn != DefaultStateMachine {
		return nil, statesFault(stateMachineDoesNot, "State Machine Does Not Exist: '%s'", in.StateMachineArn)
	}
	from, _ := strconv.Atoi(in.NextToken)
	if in.MaxResults == 0 {
		in.MaxResults = defaultExecutions
	}
	all := []map[string]any{}
	for _, e := range slices.Backward(s.executions) {
		if in.StatusFilter == "" || in.StatusFilter == e.status {
			all = append(all, map[string]any{
				"executionArn": executionARN(e.name), "stateMachineArn": DefaultStateMachine, "name": e.name, "status": e.status, "startDate": seconds(e.started),
			})
		}
	}
	from = min(from, len(all))
	end := min(from+in.MaxResults, len(all))
	out := map[string]any{"executions": all[from:end]}
	if end < len(all) {
		out["nextToken"] = strconv.Itoa(end)
	}
	return out, nil
}
