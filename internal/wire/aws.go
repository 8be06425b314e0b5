package wire

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
)

// LoadAWS loads the AWS SDK's default configuration chain, with an HTTP client
// whose attempts are short enough to leave an invocation time for the next.
func LoadAWS(ctx context.Context) (aws.Config, error) {
	client := awshttp.NewBuildableClient().
		WithTimeout(3 * time.Second).
		WithTransportOptions(func(t *http.Transport) { t.IdleConnTimeout = 30 * time.Second })
	cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(client))
	if err != nil {
		return aws.Config{}, fmt.Errorf("loading the AWS configuration: %w", err)
	}
	return cfg, nil
}
