// Package credentials reads for the peers what the relay reads too: the client
// credentials out of Secrets Manager, and the endpoints out of the environment.
package credentials

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// getenv is os.Getenv: the peers are programs of their own.
var getenv = os.Getenv //nolint:forbidigo // see above

// BaseURL is the upstream, without a trailing slash.
func BaseURL() string { return or(getenv("OMR_BASE_URL"), "https://api.aspose.cloud") }

// Load reads the secret and returns the configuration of the token source. It
// blocks for one call to Secrets Manager; the token is minted by its first use.
func Load(ctx context.Context) (*clientcredentials.Config, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("loading the AWS configuration: %w", err)
	}
	out, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{
		SecretId: aws.String(getenv("OMR_SECRET_ID")),
	})
	if err != nil {
		return nil, fmt.Errorf("reading the secret: %w", err)
	}
	var secret struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
	}
	if err := json.Unmarshal([]byte(aws.ToString(out.SecretString)), &secret); err != nil {
		return nil, errors.New("the secret is not the JSON it should be")
	}
	return &clientcredentials.Config{
		ClientID:     secret.ClientID,
		ClientSecret: secret.ClientSecret,
		TokenURL:     or(getenv("OMR_TOKEN_URL"), BaseURL()+"/connect/token"),
		AuthStyle:    oauth2.AuthStyleInParams, // unset, the first request would be a guess
	}, nil
}

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
