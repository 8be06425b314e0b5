package executions

import (
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
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

// execution is the ARN of one by its name:
// arn:aws:states:REGION:ACCOUNT:execution:MACHINE:NAME.
func (m *Machine) execution(name string) string {
	return strings.Replace(m.arn, ":stateMachine:", ":execution:", 1) + ":" + name
}
