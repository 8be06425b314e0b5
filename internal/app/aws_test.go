package app_test

import (
	"strings"
	"testing"

	"omr-relay/internal/app"
)

// The SDK's errors repeat what stands in a variable, and a secret may have been put
// into the wrong one.
func TestAWSFaultsRepeatNoValue(t *testing.T) {
	for name, want := range map[string]string{
		"AWS_RETRY_MODE":        "AWS_RETRY_MODE has a value",
		"AWS_MAX_ATTEMPTS":      "AWS_MAX_ATTEMPTS has a value",
		"AWS_USE_FIPS_ENDPOINT": "AWS_USE_FIPS_ENDPOINT has a value",
		"AWS_DEFAULTS_MODE":     "AWS_DEFAULTS_MODE has a value",
		"AWS_PROFILE":           "the AWS SDK cannot read the profile or a file",
		"AWS_CA_BUNDLE":         "the AWS SDK cannot read the profile or a file",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_REGION", "us-east-1")
			t.Setenv(name, "/canary-7f3a")
			_, err := app.LoadAWS(t.Context())
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%v, want %s", err, want)
			}
		})
	}
}
