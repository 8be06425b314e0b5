package app_test

import (
	"bytes"
	"strings"
	"testing"

	"omr-relay/internal/app"
	"omr-relay/internal/config"
)

// A newcomer's first mistake is said in words that tell what to do; what the chain
// of providers says, which may hold paths and addresses, is not.
func TestNoAWSCredentials(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": "/nowhere/config", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere/credentials",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "",
	} {
		t.Setenv(name, value)
	}
	awsConfig, err := app.LoadAWS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.FromEnv(env(map[string]string{"OMR_SECRET_ID": "omr/aspose"}))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	status, _ := invoke(t, app.New(cfg, app.Options{AWS: awsConfig, Log: &log}))
	want := `"level":"ERROR"`
	text := `"error":"credentials_unavailable: reading the secret: no AWS credentials were found: log in to a profile, set AWS_PROFILE or AWS_ACCESS_KEY_ID, or run where there is a role`
	if status != 503 || !strings.Contains(log.String(), want) || !strings.Contains(log.String(), text) || strings.Contains(log.String(), "IMDS") {
		t.Errorf("%d, logged %s", status, log.String())
	}
}
