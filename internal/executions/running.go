package executions

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// Alone reports whether no other batch has been running for longer than the execution
// of that ARN, as far as Step Functions knows yet: an execution is listed a little after
// it was started.
func (m *Machine) Alone(ctx context.Context, execution string) (bool, error) {
	earliest, err := m.Earliest(ctx)
	return err == nil && (earliest == "" || execution == m.execution(earliest)), err
}

// ErasePrefix begins the names of executions that erase a batch: beside others they do
// no harm.
const ErasePrefix = "erase-"

// Earliest returns the name of the batch that has been running for the longest time, or
// nothing.
func (m *Machine) Earliest(ctx context.Context) (string, error) {
	name, began := "", time.Time{}
	pages := sfn.NewListExecutionsPaginator(m.client, &sfn.ListExecutionsInput{StateMachineArn: &m.arn, StatusFilter: types.ExecutionStatusRunning})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", fault(err)
		}
		for _, e := range page.Executions {
			at, called := aws.ToTime(e.StartDate), aws.ToString(e.Name)
			if strings.HasPrefix(called, ErasePrefix) {
				continue
			}
			if name == "" || at.Before(began) || at.Equal(began) && called < name {
				name, began = called, at
			}
		}
	}
	return name, nil
}
