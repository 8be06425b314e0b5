package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
)

// LoadAWS loads the AWS SDK's default configuration chain. Its errors are the
// user's faults.
func LoadAWS(ctx context.Context) (aws.Config, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(newAWSClient()))
	if err != nil {
		return aws.Config{}, fmt.Errorf("loading the AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return aws.Config{}, errors.New("AWS_REGION: not set, nor is a region in the AWS profile")
	}
	return cfg, nil
}

// newAWSClient returns the SDK's own HTTP client, with attempts short enough
// to leave an invocation time for the next one.
func newAWSClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithTimeout(3 * time.Second).
		WithTransportOptions(func(t *http.Transport) { t.IdleConnTimeout = 30 * time.Second })
}

// maxSecretAnswer is far above any answer of Secrets Manager, whose secrets
// have 64 KiB at most, and far below what would hurt.
const maxSecretAnswer = 1 << 20

// cappedClient keeps an answer from filling the memory: the SDK reads all of it.
type cappedClient struct{ next aws.HTTPClient }

func (c cappedClient) Do(req *http.Request) (*http.Response, error) {
	resp, err := c.next.Do(req)
	if resp != nil && resp.Body != nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxSecretAnswer)
	}
	return resp, err
}
