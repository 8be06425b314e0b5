package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"

	"omr-relay/internal/app"
	"omr-relay/internal/budget"
	"omr-relay/internal/config"
	"omr-relay/internal/sandbox"
	"omr-relay/internal/version"
)

// startSandbox returns stand-ins on loopback, with the environment pointing
// the AWS SDK at them.
func startSandbox(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	sb, err := sandbox.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sb.Close() })
	isolate(t)
	t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", sb.SecretsURL())
	return sb
}

// isolate keeps this machine's own AWS configuration out of the test.
func isolate(t *testing.T) {
	t.Helper()
	none := t.TempDir() + "/none"
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_PROFILE": "", "AWS_RETRY_MODE": "", "AWS_REGION": "us-east-1",
		"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "test",
	} {
		t.Setenv(name, value)
	}
}

func env(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

// logLines reads the log; each line has to be a JSON object.
func logLines(t *testing.T, log *bytes.Buffer) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(log.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out = append(out, fields)
	}
	return out
}

func TestBadConfigurationIsOneLineAndNoStart(t *testing.T) {
	isolate(t)
	for _, tt := range []struct {
		name  string
		vars  map[string]string
		retry string // AWS_RETRY_MODE
		want  []string
	}{
		{"nothing set", nil, "", []string{"OMR_SECRET_ID: "}},
		{
			"every fault", map[string]string{"OMR_BASE_URL": "http://omr.example", "OMR_TOKEN_URL": "x", "OMR_WARMUP_INTERVAL": "x"}, "sometimes",
			[]string{"OMR_SECRET_ID: ", "OMR_BASE_URL: ", "OMR_TOKEN_URL: ", "OMR_WARMUP_INTERVAL: ", "loading the AWS configuration: AWS_RETRY_MODE has a value"},
		},
		{"the SDK's own", map[string]string{"OMR_SECRET_ID": "s"}, "sometimes", []string{"loading the AWS configuration: "}},
		{"whatever the log level", map[string]string{"AWS_LAMBDA_LOG_LEVEL": "FATAL"}, "", []string{"OMR_SECRET_ID: "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("AWS_RETRY_MODE", tt.retry)
			var log bytes.Buffer
			err := run(t.Context(), env(tt.vars), &log, func(*app.Relay) error { t.Error("started"); return nil })
			if err == nil {
				t.Fatal("no error")
			}
			lines := logLines(t, &log)
			if len(lines) != 1 {
				t.Fatalf("logged %d lines:\n%s", len(lines), &log)
			}
			line := lines[0]
			if line["level"] != "ERROR" || line["message"] != "bad configuration" || line["error"] != err.Error() {
				t.Errorf("logged %v", line)
			}
			if tt.retry != "" && strings.Contains(err.Error(), tt.retry) {
				t.Errorf("the value is repeated: %v", err)
			}
			faults := strings.Split(err.Error(), "\n")
			if len(faults) != len(tt.want) {
				t.Fatalf("got %q, want %q", faults, tt.want)
			}
			for i, want := range tt.want {
				if !strings.HasPrefix(faults[i], want) {
					t.Errorf("fault %d is %q, want %q", i, faults[i], want)
				}
			}
		})
	}
}

func TestPrefetchesAndStarts(t *testing.T) {
	sb := startSandbox(t)
	var log bytes.Buffer
	started := 0
	err := run(t.Context(), env(map[string]string{
		"OMR_SECRET_ID": sandbox.DefaultSecretID, "OMR_BASE_URL": sb.URL(),
	}), &log, func(h *app.Relay) error {
		started++
		if lines := logLines(t, &log); sb.Token.Mints() != 1 || len(lines) != 1 || lines[0]["message"] != "start" || lines[0]["version"] != version.Version {
			t.Errorf("%d mints before the start; logged %q", sb.Token.Mints(), &log)
		}
		out, err := lambda.Handler(h).Invoke(t.Context(), []byte(`{"warmup":true}`))
		if err != nil || !strings.Contains(string(out), `"warm":true`) {
			t.Errorf("%s, %v", out, err)
		}
		return nil
	})
	if err != nil || started != 1 {
		t.Fatalf("%v; started %d times", err, started)
	}
	if sb.Token.Mints() != 1 || sb.Secrets.Reads() != 1 {
		t.Errorf("%d mints, %d reads of the secret", sb.Token.Mints(), sb.Secrets.Reads())
	}
	lines := logLines(t, &log)
	if len(lines) != 2 || lines[1]["message"] != "invocation" || lines[1]["warm_up_failures"] != 0.0 {
		t.Fatalf("want the start and the invocation on standard output, got\n%s", &log)
	}
	// What was done before it is in the first invocation's line.
	if l := lines[1]; l["cold_starts"] != 1.0 || l["mints"] != 1.0 || l["reason"] != "cold_start" || l["secret_reads"] != 1.0 {
		t.Errorf("logged %v", l)
	}
}

func TestFailingPrefetchIsNotFatal(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*sandbox.Sandbox)
		want string
	}{
		{"no secret", func(sb *sandbox.Sandbox) { sb.Secrets.Fail(sandbox.AccessDenied, 1) },
			"credentials_unavailable: reading the secret: access to the secret is denied: the role needs secretsmanager:GetSecretValue on it: AccessDeniedException"},
		{"no token", func(sb *sandbox.Sandbox) {
			first := true
			sb.Token.Respond(func(w http.ResponseWriter, _ *http.Request) bool {
				if !first {
					return false
				}
				first = false
				w.Header().Set("Retry-After", "3")
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			})
		}, "token_unavailable: the token endpoint answered 503"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sb := startSandbox(t)
			tt.do(sb)
			var log bytes.Buffer
			started := false
			err := run(t.Context(), env(map[string]string{
				"OMR_SECRET_ID": sandbox.DefaultSecretID, "OMR_BASE_URL": sb.URL(),
			}), &log, func(*app.Relay) error { started = true; return nil })
			if err != nil || !started {
				t.Fatalf("%v; started: %v", err, started)
			}
			lines := logLines(t, &log)
			if len(lines) != 2 || lines[1]["level"] != "WARN" || lines[1]["error"] != tt.want {
				t.Errorf("logged\n%s", &log)
			}
		})
	}
}

// A service that does not answer delays the start by the budget and no more.
func TestPrefetchKeepsToItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sb := sandbox.New()
		cfg, err := config.FromEnv(env(map[string]string{"OMR_SECRET_ID": sandbox.DefaultSecretID}))
		if err != nil {
			t.Fatal(err)
		}
		awsConfig := sb.AWSConfig()
		awsConfig.BaseEndpoint = aws.String("https://secrets.test")
		var log bytes.Buffer
		relay := app.New(cfg, app.Options{AWS: awsConfig, Log: &log, Wrap: func(hop app.Hop, _ http.RoundTripper) http.RoundTripper {
			if hop == app.HopSecret {
				return sandbox.InProcess(sb.Secrets)
			}
			return sandbox.InProcess(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		}})
		began := time.Now()
		prefetch(t.Context(), relay)
		if took := time.Since(began); took != budget.Prefetch || took > 3*time.Second {
			t.Errorf("took %v of init's 10 s", took)
		}
		lines := logLines(t, &log)
		if len(lines) != 1 || lines[0]["error"] != "token_unavailable: asking the token endpoint failed: timed out" {
			t.Errorf("logged\n%s", &log)
		}
	})
}

// A Runtime API that cannot be talked to ends the function, with a line.
func TestServingEnds(t *testing.T) {
	sb := startSandbox(t)
	var log bytes.Buffer
	ended := errors.New("gone")
	err := run(t.Context(), env(map[string]string{
		"OMR_SECRET_ID": sandbox.DefaultSecretID, "OMR_BASE_URL": sb.URL(),
	}), &log, func(*app.Relay) error { return ended })
	if lines := logLines(t, &log); !errors.Is(err, ended) || len(lines) != 2 || lines[1]["level"] != "ERROR" || lines[1]["error"] != "gone" {
		t.Errorf("%v, logged\n%s", err, &log)
	}
}

// Only where it is certain that one does, and nobody has said otherwise.
func TestProcessors(t *testing.T) {
	for _, tt := range []struct {
		concurrency int
		told        string
		want        int
	}{{1, "", 1}, {1, "2", 0}, {4, "", 0}} {
		if got := processors(env(map[string]string{"GOMAXPROCS": tt.told}), tt.concurrency); got != tt.want {
			t.Errorf("%+v: got %d", tt, got)
		}
	}
}
