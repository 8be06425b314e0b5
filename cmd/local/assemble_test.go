package main

import (
	"path/filepath"
	"strings"
	"testing"

	"omr-relay/internal/sandbox"
)

// env is an environment of these settings alone.
func env(settings map[string]string) func(string) string {
	return func(name string) string { return settings[name] }
}

// sdkEnvironment points the AWS SDK's default chain at the stand-ins.
func sdkEnvironment(t *testing.T, endpoint, region string) {
	t.Helper()
	missing := filepath.Join(t.TempDir(), "missing")
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": endpoint,
		"AWS_REGION":                       region,
		"AWS_DEFAULT_REGION":               "",
		"AWS_PROFILE":                      "",
		"AWS_ACCESS_KEY_ID":                "EXAMPLE",
		"AWS_SECRET_ACCESS_KEY":            "example",
		"AWS_CONFIG_FILE":                  missing,
		"AWS_SHARED_CREDENTIALS_FILE":      missing,
		"AWS_EC2_METADATA_DISABLED":        "true",
	} {
		t.Setenv(name, value)
	}
}

func TestInvokeWithRealServices(t *testing.T) {
	services, err := sandbox.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = services.Close() })
	services.Rotate("another-client", "another-secret")
	sdkEnvironment(t, services.SecretsURL(), "eu-central-1")
	const secretID = sandbox.DefaultSecretID

	for name, c := range map[string]struct {
		settings          map[string]string
		using             string
		secrets, upstream int
	}{
		"secret": {
			map[string]string{"OMR_SECRET_ID": secretID},
			"the stand-in token service, the stand-in Aspose.OMR; set OMR_BASE_URL", 1, 0,
		},
		"both": {
			map[string]string{"OMR_SECRET_ID": secretID, "OMR_BASE_URL": services.URL()},
			"", 1, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			secrets, upstream := services.Secrets.Count(), services.Aspose.Count()
			got := runWith(t.Context(), strings.NewReader(""), env(c.settings), "invoke", "../../events/recognize.json")
			noSecretsIn(t, got)
			if got.status != exitOK || !strings.Contains(got.stdout, `"statusCode":200`) {
				t.Errorf("status %d, stdout %s\n%s", got.status, got.stdout, got.stderr)
			}
			if secrets, upstream = services.Secrets.Count()-secrets, services.Aspose.Count()-upstream; secrets != c.secrets || upstream != c.upstream {
				t.Errorf("%d reads of the secret and %d calls, want %d and %d", secrets, upstream, c.secrets, c.upstream)
			}
			if !strings.Contains(got.stderr, "fetched from AWS Secrets Manager") {
				t.Errorf("narrated\n%s", got.stderr)
			}
			if _, using, _ := strings.Cut(got.stderr, "· using     "); !strings.HasPrefix(using, c.using) || (c.using == "") != (using == "") {
				t.Errorf("using %q, want %q", using, c.using)
			}
		})
	}
}

// The stand-in's credentials are worth nothing at the real upstream: the
// caller is told, and the upstream sees no call.
func TestInvokeWithTheRealUpstreamAlone(t *testing.T) {
	services, err := sandbox.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = services.Close() })
	services.Rotate("another-client", "another-secret")
	got := runWith(t.Context(), strings.NewReader(""), env(map[string]string{"OMR_BASE_URL": services.URL()}), "invoke", "../../events/recognize.json")
	noSecretsIn(t, got)
	if got.status != exitFailed || !strings.Contains(got.stdout, `"statusCode":503`) || services.Aspose.Count() != 0 {
		t.Errorf("status %d, stdout %s, %d calls", got.status, got.stdout, services.Aspose.Count())
	}
	if !inOrder(got.stderr, "· using     the stand-in Secrets Manager; set OMR_SECRET_ID", "refused: ", " invalid_client, in ", "← answer    503, ", ": token_unavailable: the token endpoint answered 400 invalid_client") {
		t.Errorf("narrated\n%s", got.stderr)
	}
}

func TestConfigurationFaultsAreToldTogether(t *testing.T) {
	sdkEnvironment(t, "", "")
	settings := map[string]string{"OMR_SECRET_ID": "omr", "OMR_BASE_URL": "http://example.com", "OMR_TOKEN_URL": "ftp://example.com"}
	got := runWith(t.Context(), strings.NewReader(""), env(settings), "invoke", "../../events/healthz.json")
	if got.status != exitFailed || got.stdout != "" {
		t.Errorf("status %d, stdout %q", got.status, got.stdout)
	}
	for _, name := range []string{"OMR_BASE_URL", "OMR_TOKEN_URL", "AWS_REGION"} {
		if !strings.Contains(got.stderr, name) {
			t.Errorf("%s is not named: %s", name, got.stderr)
		}
	}
}
