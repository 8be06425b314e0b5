package app

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"

	"omr-relay/internal/budget"
	"omr-relay/internal/httpanswer"
	"omr-relay/secrets"
)

// LoadAWS loads the AWS SDK's default configuration chain. Its errors are the
// user's faults.
func LoadAWS(ctx context.Context) (aws.Config, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(newAWSClient()))
	if err != nil {
		return aws.Config{}, errors.New("loading the AWS configuration: " + fault(err.Error()))
	}
	if cfg.Region == "" {
		return aws.Config{}, errors.New("AWS_REGION: not set, nor is a region in the AWS profile")
	}
	if cfg.Credentials != nil {
		cfg.Credentials = namedCredentials{cfg.Credentials}
	}
	return cfg, nil
}

// fault names the variables that the SDK's error is about. Its own text repeats their
// values, and a secret may have been put into one of them.
func fault(text string) string {
	names := regexp.MustCompile(`AWS_[A-Z0-9_]+`).FindAllString(text, -1)
	// A value may look like a name: only names that are in the environment are repeated.
	names = slices.DeleteFunc(slices.Compact(names), func(name string) bool {
		_, set := os.LookupEnv(name) //nolint:forbidigo // the SDK has read it; here it is only named
		return !set
	})
	if len(names) == 0 {
		return "the AWS SDK cannot read the profile or a file that the variables AWS_* name"
	}
	return strings.Join(names, ", ") + " has a value that the AWS SDK does not take"
}

// namedCredentials gives the failure to find credentials a type: it is the first
// mistake of whoever tries a real secret.
type namedCredentials struct{ aws.CredentialsProvider }

// Retrieve implements [aws.CredentialsProvider].
func (n namedCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	credentials, err := n.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, &secrets.NoCredentialsError{Err: err}
	}
	return credentials, nil
}

// newAWSClient returns the SDK's own HTTP client, with attempts short enough
// to leave an invocation time for the next one.
func newAWSClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithTimeout(budget.SecretAttempt).
		WithTransportOptions(func(t *http.Transport) {
			t.IdleConnTimeout = budget.Idle
			t.DisableCompression = true // see plainClient
		})
}

// maxSecretAnswer is far above any answer of Secrets Manager, whose secrets
// have 64 KiB at most, and far below what would hurt.
const maxSecretAnswer = 1 << 20

// plainClient asks for answers that are not coded, decodes those that are, takes
// final ones only and keeps any of them from filling the memory: the SDK reads all
// of it, and would read on for ever from the connection that comes with 101.
type plainClient struct{ next aws.HTTPClient }

// Do implements [aws.HTTPClient].
func (c plainClient) Do(req *http.Request) (*http.Response, error) {
	watch := new(httpanswer.Watch)
	req = req.Clone(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{Got1xxResponse: watch.Got1xx}))
	httpanswer.AskPlain(req.Header) // which the signature does not cover
	resp, err := watch.Final(c.next.Do(req))
	if err != nil || resp.Body == nil {
		return resp, err
	}
	if err := httpanswer.Decode(resp); err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxSecretAnswer)
	return resp, nil
}
