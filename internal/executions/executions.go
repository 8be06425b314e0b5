// Package executions runs batches: executions of the stack's state machine, in AWS
// Step Functions.
//
// Each file uses those below it:
//
//	executions.go  batches: started, told of, stopped
//	running.go     which batches run
//	maprun.go      how far and how fast the map of a batch goes
//	machine.go     the state machine
//	fault.go       what an error of Step Functions' means
package executions

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// Status is how an execution is doing.
type Status string

// The statuses.
const (
	Running   Status = "running"
	Succeeded Status = "succeeded"
	Failed    Status = "failed"
	Stopped   Status = "stopped"
)

// Execution is what is known of one.
type Execution struct {
	Status  Status
	Started time.Time
	Ended   time.Time // zero while it runs
	// Error is the name of why it failed.
	Error string
	// Input is what it was given, and Output what came of it, in JSON.
	Input, Output string
	// Sheets are those of its map; zero before there is one.
	Sheets Counts
}

// Start starts an execution of that name, which is unique for 90 days. Where one of the
// same name and input runs, it is that one. Names have letters, digits, hyphens and
// underscores, 80 at most.
func (m *Machine) Start(ctx context.Context, name string, input any) error {
	text, _ := json.Marshal(input) // plain values always marshal
	_, err := m.client.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &m.arn, Name: &name, Input: aws.String(string(text))})
	if _, ok := errors.AsType[*types.ExecutionAlreadyExists](err); ok {
		return nil // it ran before: what became of it, Describe tells
	}
	return fault(err)
}

// Describe returns an execution, and false where there is none of that name.
func (m *Machine) Describe(ctx context.Context, name string) (*Execution, bool, error) {
	arn := m.execution(name)
	out, err := m.client.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	if _, ok := errors.AsType[*types.ExecutionDoesNotExist](err); ok {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fault(err)
	}
	e := &Execution{
		Status: statusOf(out.Status), Started: aws.ToTime(out.StartDate), Ended: aws.ToTime(out.StopDate),
		Error: aws.ToString(out.Error), Input: aws.ToString(out.Input), Output: aws.ToString(out.Output),
	}
	run, ok, err := m.mapRun(ctx, arn)
	if err == nil && ok {
		e.Sheets = countsOf(run)
	}
	return e, true, err
}

func statusOf(s types.ExecutionStatus) Status {
	switch s {
	case types.ExecutionStatusSucceeded:
		return Succeeded
	case types.ExecutionStatusAborted:
		return Stopped
	case types.ExecutionStatusFailed, types.ExecutionStatusTimedOut:
		return Failed
	default:
		return Running
	}
}

// Stop ends an execution. One that has ended stays as it is.
func (m *Machine) Stop(ctx context.Context, name string) error {
	_, err := m.client.StopExecution(ctx, &sfn.StopExecutionInput{
		ExecutionArn: aws.String(m.execution(name)), Error: aws.String("Stopped"), Cause: aws.String("by its caller"),
	})
	if _, ok := errors.AsType[*types.ExecutionDoesNotExist](err); ok {
		return nil
	}
	return fault(err)
}
