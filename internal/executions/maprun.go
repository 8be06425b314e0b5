package executions

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// Counts are of the items of a map.
type Counts struct{ Total, Pending, Running, Succeeded, Failed int }

// Concurrency returns the map run of an execution, by its ARN, and how many of its
// items are under way at once.
func (m *Machine) Concurrency(ctx context.Context, execution string) (run string, now int, err error) {
	out, ok, err := m.mapRun(ctx, execution)
	if err != nil || !ok {
		return "", 0, err
	}
	return aws.ToString(out.MapRunArn), int(out.MaxConcurrency), nil
}

// SetConcurrency changes it.
func (m *Machine) SetConcurrency(ctx context.Context, run string, to int) error {
	_, err := m.client.UpdateMapRun(ctx, &sfn.UpdateMapRunInput{MapRunArn: &run, MaxConcurrency: aws.Int32(int32(to))})
	return fault(err)
}

// mapRun is the latest of an execution, which has one in all.
func (m *Machine) mapRun(ctx context.Context, execution string) (*sfn.DescribeMapRunOutput, bool, error) {
	list, err := m.client.ListMapRuns(ctx, &sfn.ListMapRunsInput{ExecutionArn: &execution})
	if err != nil {
		return nil, false, fault(err)
	}
	var last *types.MapRunListItem
	for i := range list.MapRuns {
		if run := &list.MapRuns[i]; last == nil || aws.ToTime(run.StartDate).After(aws.ToTime(last.StartDate)) {
			last = run
		}
	}
	if last == nil {
		return nil, false, nil
	}
	out, err := m.client.DescribeMapRun(ctx, &sfn.DescribeMapRunInput{MapRunArn: last.MapRunArn})
	return out, err == nil, fault(err)
}

func countsOf(run *sfn.DescribeMapRunOutput) Counts {
	if run.ItemCounts == nil {
		return Counts{}
	}
	c := run.ItemCounts
	return Counts{
		Total: int(c.Total), Pending: int(c.Pending), Running: int(c.Running), Succeeded: int(c.Succeeded),
		Failed: int(c.Failed + c.TimedOut + c.Aborted),
	}
}
