package app

import (
	"context"

	"omr-relay/handler"
	"omr-relay/handler/batches"
	"omr-relay/internal/bucket"
	"omr-relay/internal/budget"
	"omr-relay/internal/config"
	"omr-relay/internal/executions"
)

// withBatches gives the handler what runs batches.
func withBatches(serving handler.Config, b *bucket.Bucket, cfg config.Config, opts Options) handler.Config {
	serving.Batches = &batches.Config{MaxSheets: cfg.MaxSheets, Store: b.Files(), Machine: machine{newMachine(cfg, opts)}}
	return serving
}

// machine is a state machine as package batches wants it.
type machine struct{ *executions.Machine }

// order is what an execution is given. Step Functions keeps it for 90 days: it says
// where everything else is.
type order struct {
	Prefix string `json:"prefix"`
	Erase  bool   `json:"erase,omitempty"`
}

func (m machine) Start(ctx context.Context, name, prefix string) error {
	return m.Machine.Start(ctx, name, order{Prefix: prefix})
}

func (m machine) Erase(ctx context.Context, name, prefix string) error {
	return m.Machine.Erase(ctx, name, order{Prefix: prefix, Erase: true})
}

func (m machine) Describe(ctx context.Context, name string) (batches.Execution, bool, error) {
	e, ok, err := m.Machine.Describe(ctx, name)
	if err != nil || !ok {
		return batches.Execution{}, false, err
	}
	return batches.Execution{
		Status: batches.Status(e.Status), Started: e.Started, Ended: e.Ended, Error: e.Error, Output: e.Output,
		Sheets: batches.Counts{Total: e.Sheets.Total, Done: e.Sheets.Succeeded + e.Sheets.Failed, Running: e.Sheets.Running, Waiting: e.Sheets.Pending},
	}, true, nil
}

// newMachine returns the state machine that is configured.
func newMachine(cfg config.Config, opts Options) *executions.Machine {
	awsConfig := opts.AWS.Copy()
	awsConfig.HTTPClient = nil
	if opts.Machine != nil {
		awsConfig = opts.Machine.Copy()
	}
	if awsConfig.HTTPClient == nil {
		awsConfig.HTTPClient = newAWSClient().WithTimeout(budget.MachineAttempt)
	}
	if opts.Wrap != nil {
		awsConfig.HTTPClient = roundTripClient{opts.Wrap(HopMachine, clientRoundTripper{awsConfig.HTTPClient})}
	}
	awsConfig.HTTPClient = plainClient{awsConfig.HTTPClient}
	return executions.New(awsConfig, cfg.StateMachine)
}
