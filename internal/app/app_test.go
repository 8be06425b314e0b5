package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"

	"omr-relay/internal/app"
	"omr-relay/internal/config"
	"omr-relay/internal/metric/metrictest"
	"omr-relay/internal/problem"
	"omr-relay/internal/sandbox"
)

func start(t *testing.T) (*sandbox.Sandbox, config.Config) {
	t.Helper()
	sb, err := sandbox.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sb.Close() })
	cfg, err := config.FromEnv(env(map[string]string{
		"OMR_SECRET_ID": sandbox.DefaultSecretID, "OMR_BASE_URL": sb.URL(),
	}))
	if err != nil {
		t.Fatal(err)
	}
	return sb, cfg
}

const event = `{"httpMethod":"GET","resource":"/{proxy+}","path":"/v5.0/omr/RecognizeTemplate/GetRecognizeTemplate",
	"pathParameters":{"proxy":"v5.0/omr/RecognizeTemplate/GetRecognizeTemplate"},
	"queryStringParameters":{"id":"77"},"requestContext":{"stage":"prod"}}`

// invoke sends the event and returns the answer's status and body.
func invoke(t *testing.T, relay *app.Relay) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := relay.Handler.Invoke(ctx, []byte(event))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		StatusCode int    `json:"statusCode"`
		Body       string `json:"body"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Body
}

func TestRelayEndToEnd(t *testing.T) {
	sb, cfg := start(t)
	var log bytes.Buffer
	lambdacontext.FunctionName = "relay"
	defer func() { lambdacontext.FunctionName = "" }()
	relay := app.New(cfg, app.Options{AWS: sb.AWSConfig(), Log: &log, Metrics: true})
	if sb.Secrets.Count()+sb.Token.Count()+sb.Aspose.Count() != 0 {
		t.Error("New made a call")
	}
	for range 2 {
		status, body := invoke(t, relay)
		if status != http.StatusOK || !strings.Contains(body, `"id":"77","responseStatusCode":"TaskNotFound"`) {
			t.Fatalf("%d %s", status, body)
		}
	}
	if s, n, a := sb.Secrets.Count(), sb.Token.Count(), sb.Aspose.Count(); s != 1 || n != 1 || a != 2 {
		t.Errorf("%d reads of the secret, %d token requests, %d calls; want 1, 1, 2", s, n, a)
	}
	invocations := 0
	for line := range strings.Lines(log.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if fields["message"] == "invocation" {
			invocations++
		}
		if err := metrictest.Check([]byte(line)); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
	if invocations != 2 || strings.Count(log.String(), `"CloudWatchMetrics"`) != 2 {
		t.Errorf("logged %s", &log)
	}
}

func TestNoLogNoMetrics(t *testing.T) {
	sb, cfg := start(t)
	if status, _ := invoke(t, app.New(cfg, app.Options{AWS: sb.AWSConfig()})); status != http.StatusOK {
		t.Errorf("without a log: %d", status)
	}
	var log bytes.Buffer
	lambdacontext.FunctionName = "relay"
	defer func() { lambdacontext.FunctionName = "" }()
	if status, _ := invoke(t, app.New(cfg, app.Options{AWS: sb.AWSConfig(), Log: &log})); status != http.StatusOK {
		t.Errorf("without metrics: %d", status)
	}
	if strings.Contains(log.String(), "_aws") || !strings.Contains(log.String(), `"mints":1`) {
		t.Errorf("metrics all the same: %s", &log)
	}
}

func TestLogLevel(t *testing.T) {
	sb, cfg := start(t)
	cfg.LogLevel = slog.LevelError
	var log bytes.Buffer
	lambdacontext.FunctionName = "relay"
	defer func() { lambdacontext.FunctionName = "" }()
	if status, _ := invoke(t, app.New(cfg, app.Options{AWS: sb.AWSConfig(), Log: &log})); status != http.StatusOK {
		t.Errorf("got %d", status)
	}
	if log.Len() != 0 {
		t.Errorf("logged %s", &log)
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestWrapSeesEachHop(t *testing.T) {
	sb, cfg := start(t)
	var mu sync.Mutex // guards hops
	var hops []string
	wrap := func(hop app.Hop, next http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				hops = append(hops, string(hop)+" "+req.Method+" "+req.URL.Host+" "+resp.Status)
			}
			return resp, err
		})
	}
	if status, body := invoke(t, app.New(cfg, app.Options{AWS: sb.AWSConfig(), Wrap: wrap})); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	upstream, secrets := strings.TrimPrefix(sb.URL(), "http://"), strings.TrimPrefix(sb.SecretsURL(), "http://")
	want := []string{"secret POST " + secrets + " 200 OK", "token POST " + upstream + " 200 OK", "upstream GET " + upstream + " 200 OK"}
	if !slices.Equal(hops, want) {
		t.Errorf("got %q, want %q", hops, want)
	}
}

// The SDK's own client, if one is configured, stays in place under Wrap.
func TestWrapKeepsTheConfiguredClient(t *testing.T) {
	sb, cfg := start(t)
	used := 0
	awsConfig := sb.AWSConfig()
	awsConfig.HTTPClient = clientFunc(func(req *http.Request) (*http.Response, error) {
		used++
		return http.DefaultTransport.RoundTrip(req)
	})
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	wrap := func(_ app.Hop, next http.RoundTripper) http.RoundTripper { return next }
	if status, _ := invoke(t, app.New(cfg, app.Options{AWS: awsConfig, Wrap: wrap})); status != http.StatusOK || used != 1 {
		t.Errorf("%d; the client was used %d times", status, used)
	}
}

type clientFunc func(*http.Request) (*http.Response, error)

func (f clientFunc) Do(req *http.Request) (*http.Response, error) { return f(req) }

func TestPrefetch(t *testing.T) {
	sb, cfg := start(t)
	relay := app.New(cfg, app.Options{AWS: sb.AWSConfig()})
	sb.Secrets.Fail(sandbox.AccessDenied, 1)
	if e, ok := errors.AsType[*problem.Error](relay.Prefetch(t.Context())); !ok || e.Code != problem.CredentialsUnavailable {
		t.Errorf("got %v", e)
	}
	for range 2 {
		if err := relay.Prefetch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if status, _ := invoke(t, relay); status != http.StatusOK || sb.Token.Mints() != 1 {
		t.Errorf("%d after %d mints", status, sb.Token.Mints())
	}
}

// Many invocations share the log; its lines arrive whole, one at a time.
func TestLogLinesAreNotMixed(t *testing.T) {
	sb, cfg := start(t)
	var log lines
	relay := app.New(cfg, app.Options{AWS: sb.AWSConfig(), Log: &log, Metrics: true})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				_, _ = relay.Handler.Invoke(t.Context(), []byte(event))
			}
		})
	}
	wg.Wait()
	if len(log) < 40 {
		t.Errorf("%d lines", len(log))
	}
	for _, line := range log {
		if !json.Valid([]byte(line)) || strings.Count(line, "\n") != 1 {
			t.Errorf("not one line of JSON: %q", line)
		}
	}
}

// lines is not safe for concurrent use, and the race detector says so.
type lines []string

func (l *lines) Write(p []byte) (int, error) {
	*l = append(*l, string(p))
	return len(p), nil
}

func TestLoadAWS(t *testing.T) {
	isolate(t)
	t.Setenv("AWS_REGION", "eu-central-1")
	cfg, err := app.LoadAWS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Region != "eu-central-1" || cfg.HTTPClient == nil {
		t.Errorf("region %q, client %T", cfg.Region, cfg.HTTPClient)
	}
	t.Setenv("AWS_RETRY_MODE", "sometimes")
	if _, err := app.LoadAWS(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "loading the AWS configuration: ") {
		t.Errorf("got %v", err)
	}
}

// isolate keeps this machine's own AWS configuration out of the test.
func isolate(t *testing.T) {
	t.Helper()
	none := t.TempDir() + "/none"
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_PROFILE": "", "AWS_RETRY_MODE": "", "AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "test",
	} {
		t.Setenv(name, value)
	}
}

// The environment's endpoint, which the SDK itself reads, is honoured.
func TestEndpointFromTheEnvironment(t *testing.T) {
	sb, cfg := start(t)
	isolate(t)
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", sb.SecretsURL())
	awsConfig, err := app.LoadAWS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, awsConfig := range map[string]aws.Config{"own client": awsConfig, "no client": func() aws.Config {
		bare := awsConfig.Copy()
		bare.HTTPClient = nil
		return bare
	}()} {
		if status, body := invoke(t, app.New(cfg, app.Options{AWS: awsConfig})); status != http.StatusOK {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if sb.Secrets.Reads() != 2 {
		t.Errorf("%d reads of the secret", sb.Secrets.Reads())
	}
}

func env(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}
