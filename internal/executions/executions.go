// Package executions runs batches: executions of the stack's state machine, in AWS
// Step Functions.
//
// Each file uses those below it:
//
//	maprun.go      how fast the map of a running batch goes
//	erase.go       batches that are erased
//	executions.go  batches: started, told of, stopped
//	fault.go       what an error of Step Functions' means
package executions

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// Machine is a state machine. It is safe for concurrent use. Its methods block until
// ctx ends at the latest; errors are [*problem.Error].
type Machine struct {
	client *sfn.Client
	arn    string
}

// New returns the state machine of that ARN. It makes no call.
func New(cfg aws.Config, arn string) *Machine {
	return &Machine{arn: arn, client: sfn.NewFromConfig(cfg, func(o *sfn.Options) {
		// The SDK's default pauses may take longer than an invocation has.
		o.Retryer = retry.NewStandard(func(s *retry.StandardOptions) { s.MaxBackoff = 500 * time.Millisecond })
	})}
}

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
	// Sheets are those of its map; zero before there is one, and where it succeeded: what
	// came of it says more.
	Sheets Counts
}

// Counts are of the items of a map.
type Counts struct{ Total, Pending, Running, Succeeded, Failed int }

// Start starts an execution of that name, which is unique for 90 days. Where one of the
// same name and input runs, it is that one. Names have letters, digits, hyphens and
// underscores, 80 at most.
func (m *Machine) Start(ctx context.Context, name string, input any) error {
	text, _ := json.Marshal(input) // plain values always marshal
	out, err := m.client.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &m.arn, Name: &name, Input: aws.String(string(text))})
	if _, ok := errors.AsType[*types.ExecutionAlreadyExists](err); ok {
		return nil // it ran before: what became of it, Describe tells
	}
	if err == nil && aws.ToString(out.ExecutionArn) != m.execution(name) {
		err = errNotTheirs
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
	if err == nil && aws.ToString(out.ExecutionArn) != arn {
		err = errNotTheirs
	}
	if err != nil {
		return nil, false, fault(err)
	}
	e := &Execution{
		Status: statusOf(out.Status), Started: aws.ToTime(out.StartDate), Ended: aws.ToTime(out.StopDate),
		Error: aws.ToString(out.Error), Input: aws.ToString(out.Input), Output: aws.ToString(out.Output),
	}
	if e.Status == Succeeded || strings.HasPrefix(name, erasePrefix) {
		return e, true, nil
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
	out, err := m.client.StopExecution(ctx, &sfn.StopExecutionInput{
		ExecutionArn: aws.String(m.execution(name)), Error: aws.String("Stopped"), Cause: aws.String("by its caller"),
	})
	if _, ok := errors.AsType[*types.ExecutionDoesNotExist](err); ok {
		return nil
	}
	if err == nil && out.StopDate == nil {
		err = errNotTheirs
	}
	return fault(err)
}

// erasePrefix begins the names of executions that erase a batch: beside others they do
// no harm.
const erasePrefix = "erase-"

// Earliest returns the name of the batch that has been running for the longest time, or
// nothing.
func (m *Machine) Earliest(ctx context.Context) (string, error) {
	name, began := "", time.Time{}
	pages := sfn.NewListExecutionsPaginator(m.client, &sfn.ListExecutionsInput{StateMachineArn: &m.arn, StatusFilter: types.ExecutionStatusRunning})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err == nil && page.Executions == nil {
			err = errNotTheirs
		}
		if err != nil {
			return "", fault(err)
		}
		for _, e := range page.Executions {
			at, called := aws.ToTime(e.StartDate), aws.ToString(e.Name)
			if strings.HasPrefix(called, erasePrefix) {
				continue
			}
			if name == "" || at.Before(began) || at.Equal(began) && called < name {
				name, began = called, at
			}
		}
	}
	return name, nil
}

// execution is the ARN of one by its name:
// arn:aws:states:REGION:ACCOUNT:execution:MACHINE:NAME.
func (m *Machine) execution(name string) string {
	return strings.Replace(m.arn, ":stateMachine:", ":execution:", 1) + ":" + name
}
