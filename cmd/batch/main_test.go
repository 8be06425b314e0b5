package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"omr-relay/internal/lambdaruntime/lambdaruntimetest"
	"omr-relay/internal/metric/metrictest"
	"omr-relay/internal/sandbox"
	"omr-relay/internal/version"
)

// TestMain is the function itself where a test runs it as Lambda would.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// isolate keeps this machine's own AWS configuration out of the test.
func isolate(t *testing.T) {
	t.Helper()
	none := t.TempDir() + "/none"
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_PROFILE": "", "AWS_RETRY_MODE": "", "AWS_REGION": "us-east-1",
		"AWS_ACCESS_KEY_ID": sandbox.DefaultAccessKeyID, "AWS_SECRET_ACCESS_KEY": sandbox.DefaultSecretAccessKey,
	} {
		t.Setenv(name, value)
	}
}

func env(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

var whole = map[string]string{
	"OMR_SECRET_ID": sandbox.DefaultSecretID, "OMR_BUCKET": sandbox.DefaultBucket, "OMR_MAX_SHEETS": "3000", "OMR_BATCH_CONCURRENCY": "10",
	"OMR_STATE_MACHINE": "arn:aws:states:us-east-1:123456789012:stateMachine:Batch",
}

func with(changes map[string]string) map[string]string {
	vars := maps.Clone(whole)
	maps.Copy(vars, changes)
	return vars
}

// What is wrong with the configuration is one line, which has no values.
func TestBadConfiguration(t *testing.T) {
	isolate(t)
	for _, tt := range []struct {
		vars  map[string]string
		retry string // AWS_RETRY_MODE
		want  []string
	}{
		{whole, "", nil},
		{nil, "", []string{"OMR_SECRET_ID: not set", "OMR_MAX_SHEETS: not a whole number from 1 to 100000", "OMR_BATCH_CONCURRENCY: not a whole number from 1 to 1000", "OMR_BUCKET: not set", "OMR_STATE_MACHINE: not set"}},
		{with(map[string]string{"OMR_MAX_SHEETS": "100001"}), "", []string{"OMR_MAX_SHEETS: "}},
		{with(map[string]string{"OMR_MAX_SHEETS": "0"}), "", []string{"OMR_MAX_SHEETS: "}},
		{with(map[string]string{"OMR_BATCH_CONCURRENCY": "canary"}), "", []string{"OMR_BATCH_CONCURRENCY: "}},
		{with(map[string]string{"OMR_BASE_URL": "http://canary.example"}), "", []string{"OMR_BASE_URL: "}},
		{whole, "canary", []string{"loading the AWS configuration: AWS_RETRY_MODE"}},
	} {
		t.Setenv("AWS_RETRY_MODE", tt.retry)
		var log bytes.Buffer
		_, err := newFunction(t.Context(), env(tt.vars), &log)
		if (err != nil) != (tt.want != nil) {
			t.Errorf("%v: %v", tt.vars, err)
		}
		if lines := strings.Count(log.String(), "\n"); err != nil && lines != 1 || err == nil && !strings.HasSuffix(log.String(), `"message":"start","version":"`+version.Version+"\"}\n") {
			t.Errorf("%d lines: %s", lines, &log)
		}
		for _, want := range tt.want {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%s: no %s", &log, want)
			}
		}
		if strings.Contains(log.String(), "canary") {
			t.Errorf("a value: %s", &log)
		}
	}
}

// stepFunctions has one execution, which is the test's.
func stepFunctions(t *testing.T) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		switch operation := r.Header.Get("X-Amz-Target"); operation {
		case "AWSStepFunctions.ListExecutions":
			_, _ = io.WriteString(w, `{"executions":[]}`)
		case "AWSStepFunctions.ListMapRuns":
			_, _ = io.WriteString(w, `{"mapRuns":[]}`)
		default:
			t.Errorf("asked for %s", operation)
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// deployed is the function under the Runtime API, on the stand-ins.
type deployed struct {
	*sandbox.Sandbox

	runtime *lambdaruntimetest.Server
	log     *bytes.Buffer
	stop    func()
}

func deploy(t *testing.T) *deployed {
	t.Helper()
	isolate(t)
	sb, err := sandbox.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sb.Close() })
	runtime, err := lambdaruntimetest.Start()
	if err != nil {
		t.Fatal(err)
	}
	d := &deployed{Sandbox: sb, runtime: runtime, log: &bytes.Buffer{}}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Stdout, cmd.Stderr = d.log, d.log
	cmd.Env = append(os.Environ(), "AWS_LAMBDA_RUNTIME_API="+runtime.Addr(), "AWS_LAMBDA_FUNCTION_NAME=batch", "OMR_BASE_URL="+sb.URL(), "OMR_TOKEN_URL="+sb.TokenURL(),
		"AWS_ENDPOINT_URL_SECRETS_MANAGER="+sb.SecretsURL(), "AWS_ENDPOINT_URL_S3="+*sb.S3Config().BaseEndpoint, "AWS_ENDPOINT_URL_SFN="+stepFunctions(t))
	for name, value := range whole {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	d.stop = func() {
		if !ended {
			ended = true
			cancel()
			_ = cmd.Wait()
			_ = runtime.Close()
		}
	}
	t.Cleanup(d.stop)
	return d
}

// invoke runs a step; what it answers is JSON.
func (d *deployed) invoke(t *testing.T, payload string) (answer map[string]any, failed bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	result, err := d.runtime.Invoke(ctx, []byte(payload), 30*time.Second)
	if err != nil {
		t.Fatalf("%v\n%s", err, d.log)
	}
	if err := json.Unmarshal(result.Payload, &answer); err != nil {
		t.Fatalf("%s: %v", result.Payload, err)
	}
	return answer, result.Failed
}

var changing = regexp.MustCompile(`"timestamp":"[^"]*"|"(duration|token|upstream)_ms":[0-9.]+|"requestId":"[^"]*"|"token_lifetime_left_s":[0-9]+|"tasks":[^]]*]|"Timestamp":[0-9]+`)

// A sheet, from its scan to its row, through the function as it is deployed: steps'
// answers are what the state machine reads, errors have its names, and the log has
// nothing of a person's.
func TestStepsAsDeployed(t *testing.T) {
	d := deploy(t)
	d.Aspose.SetNotReady(0)
	const prefix = "batches/exam/"
	d.S3.SetObject(prefix+"pattern.omr", sandbox.SamplePattern())
	step := func(name, more string) string {
		return fmt.Sprintf(`{"step":%q,"prefix":%q,"execution":"arn:aws:states:us-east-1:123456789012:execution:Batch:one"%s}`, name, prefix, more)
	}
	want := func(answer map[string]any, failed bool, members string) {
		t.Helper()
		if failed {
			t.Fatalf("%v", answer)
		}
		if got := fmt.Sprint(answer); !strings.Contains(got, members) {
			t.Errorf("%s, want %s", got, members)
		}
	}
	answer, failed := d.invoke(t, step("manifest", ""))
	if !failed || fmt.Sprint(answer) != "map[errorMessage:there are no scans under the prefix errorType:NoScans]" {
		t.Errorf("%v", answer)
	}
	d.S3.SetObject(prefix+"anna.png", sandbox.SampleFilledForm())
	answer, failed = d.invoke(t, step("preflight", ""))
	want(answer, failed, "state:done")
	answer, failed = d.invoke(t, step("manifest", ""))
	want(answer, failed, "concurrency:10 exceptions:0 items:"+prefix+"work/items.csv pending:0 seconds:0 sheets:1 state:done tries:0 work:"+prefix+"work")
	items, _ := d.S3.Object(prefix + "work/items.csv")
	_, scan, _ := strings.Cut(strings.TrimSpace(string(items)), "\n")
	waiting, failed := d.invoke(t, step("submit", `,"scan":"`+scan+`","tries":0`))
	want(waiting, failed, "state:wait")
	answer, failed = d.invoke(t, step("fetch", fmt.Sprintf(`,"sheet":%q,"task":%q,"submitted":%q,"pending":0`, waiting["sheet"], waiting["task"], waiting["submitted"])))
	want(answer, failed, "state:done")
	answer, failed = d.invoke(t, step("merge", ""))
	want(answer, failed, "answered:1 exceptions:0 pending:0 seconds:0 sheets:1 state:done")
	if table, _ := d.S3.Object(prefix + "results/answers.csv"); !strings.Contains(string(table), "anna.png,Ok,A,C,B,") {
		t.Errorf("%s", table)
	}
	d.S3.SetObject(prefix+"pattern.omr", []byte("see anna"))
	answer, failed = d.invoke(t, strings.Replace(step("preflight", ""), ":one", ":two", 1))
	if !failed || answer["errorType"] != "PatternMissing" {
		t.Errorf("%v", answer)
	}
	answer, failed = d.invoke(t, step("anna", ""))
	if !failed || answer["errorType"] != "BadInput" {
		t.Errorf("%v", answer)
	}
	answer, failed = d.invoke(t, `{"prefix":7}`)
	if !failed || answer["errorType"] != "BadInput" {
		t.Errorf("%v", answer)
	}
	answer, failed = d.invoke(t, step("erase", ""))
	want(answer, failed, "state:done")
	if keys := d.S3.Keys(); len(keys) != 0 {
		t.Errorf("left: %q", keys)
	}
	d.stop()
	head := func(level, message string) string {
		return `{"timestamp","level":"` + level + `","message":"` + message + `",`
	}
	line := func(level, members string, metrics ...string) string {
		text := head(level, "step") + `"requestId","xray_trace_id":"1-5bef4de7-ad49b0e87f6ef6c87fc2e700",` + members
		if metrics != nil {
			text += `,"FunctionName":"batch","_aws":{"Timestamp","CloudWatchMetrics":[` + strings.Join(metrics, ",") + `]}`
		}
		return text + "}\n"
	}
	of := func(dimensions string, metrics ...string) string {
		return `{"Namespace":"omr-relay","Dimensions":[["FunctionName"]` + dimensions + `],"Metrics":[` + strings.Join(metrics, ",") + `]}`
	}
	count := func(name string) string { return `{"Name":"` + name + `","Unit":"Count"}` }
	const left, upstream = `{"Name":"token_lifetime_left_s","Unit":"Seconds"}`, `{"Name":"upstream_ms","Unit":"Milliseconds"}`
	log := head("INFO", "start") + `"version":"` + version.Version + "\"}\n" +
		line("WARN", `"cold_starts":1,"step":"manifest","duration_ms","error_name":"NoScans","error":"there are no scans under the prefix"`,
			of("", count("cold_starts"))) +
		line("INFO", `"step":"preflight","reason":"cold_start","mints":1,"secret_reads":1,"duration_ms","state":"done"`,
			of(`,["FunctionName","reason"]`, count("mints")), of("", count("secret_reads"))) +
		line("INFO", `"step":"manifest","duration_ms","state":"done"`) +
		line("INFO", `"step":"submit","token":"hit","token_ms","token_lifetime_left_s","upstream_calls":1,"billable_calls":1,"upstream_ms","tasks","duration_ms","state":"wait"`,
			of("", left, count("upstream_calls"), count("billable_calls"), upstream)) +
		line("INFO", `"step":"fetch","token":"hit","token_ms","token_lifetime_left_s","upstream_calls":1,"polls":1,"upstream_ms","duration_ms","state":"done"`,
			of("", left, count("upstream_calls"), count("polls"), upstream)) +
		line("INFO", `"step":"merge","duration_ms","state":"done"`) +
		line("WARN", `"step":"preflight","duration_ms","error_name":"PatternMissing","error":"pattern.omr is no recognition pattern, which is the .omr file that was generated with the form"`) +
		line("WARN", `"step":"unknown","duration_ms","error_name":"BadInput","error":"there is no such step"`) +
		line("WARN", `"step":"unknown","duration_ms","error_name":"BadInput","error":"the event is none of the state machine's"`) +
		line("INFO", `"step":"erase","duration_ms","state":"done"`)
	var got strings.Builder
	for line := range strings.Lines(d.log.String()) {
		if err := metrictest.Check([]byte(line)); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		got.WriteString(changing.ReplaceAllStringFunc(line, func(found string) string {
			name, _, _ := strings.Cut(found, ":")
			return name
		}))
	}
	if got.String() != log {
		t.Errorf("logged\n%s\nwant\n%s", got.String(), log)
	}
	if text := d.log.String(); strings.Contains(text, "anna") || strings.Contains(text, "Question") || strings.Contains(text, sandbox.DefaultClientSecret) {
		t.Errorf("logged %s", text)
	}
}

// A secret that is rejected is the batch's end, by its name, and shows in no word.
func TestRejectedSecretAsDeployed(t *testing.T) {
	d := deploy(t)
	d.Token.Accept("another", "pair")
	d.S3.SetObject("batches/exam/pattern.omr", sandbox.SamplePattern())
	answer, failed := d.invoke(t, `{"step":"preflight","prefix":"batches/exam/","execution":"arn:x:one"}`)
	if !failed || answer["errorType"] != "CredentialsRejected" || !strings.HasPrefix(fmt.Sprint(answer["errorMessage"]), "the secret's credentials are of no use: ") {
		t.Errorf("%v", answer)
	}
	d.stop()
	if text := d.log.String(); !strings.Contains(text, `"mint_failures":1,"credentials_rejected":1,"secret_reads":2,`) || !strings.Contains(text, `{"Name":"credentials_rejected","Unit":"Count"}`) {
		t.Errorf("logged %s", text)
	}
	if text := d.log.String() + fmt.Sprint(answer); strings.Contains(text, sandbox.DefaultClientSecret) || strings.Contains(text, sandbox.DefaultClientID) {
		t.Error(text)
	}
}
