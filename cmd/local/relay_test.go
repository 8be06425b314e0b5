package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"omr-relay/internal/sandbox"
)

var guid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// proxyAnswer is the response to an HTTP event.
type proxyAnswer struct {
	StatusCode int    `json:"statusCode"`
	Body       string `json:"body"`
}

// noSecretsIn fails the test if a run showed a credential or a token.
func noSecretsIn(t *testing.T, got output) {
	t.Helper()
	for _, secret := range []string{sandbox.DefaultClientSecret, sandbox.DefaultClientID, "eyJ", "access_token", "client_secret"} {
		if strings.Contains(got.stdout+got.stderr, secret) {
			t.Errorf("%q was shown:\n%s%s", secret, got.stdout, got.stderr)
		}
	}
}

// inOrder tells whether the parts stand in text, one after the other.
func inOrder(text string, parts ...string) bool {
	for _, part := range parts {
		_, after, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = after
	}
	return true
}

// tokenAnswer begins the answer of the relay's own token endpoint, which has the
// name of a field that nothing else may show.
const tokenAnswer = `{"statusCode":200,"headers":{"Cache-Control":"no-store","Content-Type":"application/json","Pragma":"no-cache"},"isBase64Encoded":false,"body":"{\"access_token\":`

// policies are of upload forms, and JSON in base64 like a token's beginning.
var policies = regexp.MustCompile(`policy[\\":=]+[A-Za-z0-9+/=]+`)

func TestInvokeSendsEveryFixtureThroughTheRelay(t *testing.T) {
	warm := func(t *testing.T, response []byte) {
		t.Helper()
		var answer struct {
			Warm      bool `json:"warm"`
			ExpiresIn int  `json:"token_expires_in"`
		}
		if err := json.Unmarshal(response, &answer); err != nil || !answer.Warm || answer.ExpiresIn <= 0 {
			t.Errorf("answer %s, want a warm one", response)
		}
	}
	answers := func(status int, body *regexp.Regexp) func(*testing.T, []byte) {
		return func(t *testing.T, response []byte) {
			t.Helper()
			var answer proxyAnswer
			if err := json.Unmarshal(response, &answer); err != nil || answer.StatusCode != status || !body.MatchString(answer.Body) {
				t.Errorf("answer %s, want %d and %v", response, status, body)
			}
		}
	}
	submitted := answers(http.StatusOK, guid)
	result := answers(http.StatusOK, regexp.MustCompile(`"responseStatusCode":"TaskNotFound"`))
	ownKey := answers(http.StatusOK, regexp.MustCompile(`^{"access_token":"example-api-key-of-nobody","token_type":"Bearer","expires_in":3600}$`))

	form := answers(http.StatusOK, regexp.MustCompile(`^{"upload":"[0-9a-f]{32}","url":"http://127\.0\.0\.1:[0-9]+/`+sandbox.DefaultBucket+`","fields":{.*"curl":"curl `))

	checks := map[string]func(*testing.T, []byte){
		"recognize.json":       submitted,
		"base64.json":          submitted,
		"custom-domain.json":   submitted,
		"http-api.json":        submitted,
		"http-api-stage.json":  submitted,
		"function-url.json":    submitted,
		"result.json":          result,
		"http-api-result.json": result,
		"cancel.json":          answers(http.StatusOK, regexp.MustCompile(`^$`)),
		"upload.json":          form,
		"healthz.json":         answers(http.StatusOK, regexp.MustCompile(``)),
		"rule.json":            warm,
		"scheduler.json":       warm,
		"warmup.json":          warm,

		"connect-token.json":           ownKey,
		"connect-token-multipart.json": ownKey,
	}
	unsupported := map[string]string{
		"authorizer.json":        "authorizer",
		"authorizer-no-key.json": "authorizer",
		"unsupported-sqs.json":   "sqs",
	}
	files, err := filepath.Glob("../../events/*.json")
	if want := len(checks) + len(unsupported); err != nil || len(files) != want {
		t.Fatalf("%d fixtures and %v, want %d", len(files), err, want)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			got := runWith(t.Context(), strings.NewReader(""), unset, "invoke", file)
			noSecretsIn(t, output{stdout: policies.ReplaceAllString(strings.TrimPrefix(got.stdout, tokenAnswer), ""), stderr: got.stderr})
			if !inOrder(got.stderr, "· using ", "→ event ", "← answer ") {
				t.Errorf("narrated\n%s", got.stderr)
			}
			if word := unsupported[name]; word != "" {
				checkUnsupported(t, got, word)
				return
			}
			check := checks[name]
			if check == nil {
				t.Fatal("nobody has said what is to come of it")
			}
			if got.status != exitOK || strings.Count(got.stdout, "\n") != 1 || !strings.HasSuffix(got.stdout, "\n") {
				t.Fatalf("status %d, stdout %q", got.status, got.stdout)
			}
			check(t, []byte(got.stdout))
		})
	}
}

// checkUnsupported wants the error that names what came, as Lambda reports it.
func checkUnsupported(t *testing.T, got output, word string) {
	t.Helper()
	var failure map[string]string
	if err := json.Unmarshal([]byte(got.stdout), &failure); err != nil {
		t.Fatal(err)
	}
	if got.status != exitFailed || len(failure) != 2 || failure["errorType"] == "" || !strings.Contains(failure["errorMessage"], word) {
		t.Errorf("status %d, stdout %s", got.status, got.stdout)
	}
}

func TestInvokeNarratesTheWholeWay(t *testing.T) {
	got := runWith(t.Context(), strings.NewReader(""), unset, "invoke", "../../events/recognize.json")
	if !inOrder(got.stderr,
		"· using     the stand-in Secrets Manager, the stand-in token service, the stand-in Aspose.OMR, the stand-in S3; set OMR_SECRET_ID, OMR_BASE_URL and OMR_BUCKET to use the real thing",
		"→ event     REST API: POST /v5.0/omr/RecognizeTemplate/PostRecognizeTemplate, ",
		"↔ secret    fetched from the stand-in Secrets Manager in ",
		"↔ token     exchanged at the stand-in token service in ", ", valid for 3600 s",
		"↔ upstream  POST /v5.0/omr/RecognizeTemplate/PostRecognizeTemplate at the stand-in Aspose.OMR: 200, text/plain, 36 B, in ",
		"← answer    200, 36 B, in ",
	) {
		t.Errorf("narrated\n%s", got.stderr)
	}
}

func TestInvokeReadsStandardInput(t *testing.T) {
	got := runWith(t.Context(), strings.NewReader(`{"warmup":true}`), unset, "invoke", "-")
	if got.status != exitOK || !strings.Contains(got.stdout, `"warm":true`) {
		t.Errorf("status %d, stdout %s", got.status, got.stdout)
	}
}

// A lineWatch passes on what follows the prefix on the first line that has it.
type lineWatch struct {
	mu     sync.Mutex // guards all
	text   bytes.Buffer
	prefix string
	found  chan string
	told   bool
}

func (w *lineWatch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if _, after, found := strings.Cut(w.text.String(), w.prefix); found && !w.told {
		w.told = true
		w.found <- after
	}
	return len(p), nil
}

func (w *lineWatch) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// startLocal runs start-api on a free port until the test ends. It returns the
// base URL, and a function that stops it and returns what it showed.
func startLocal(t *testing.T, args ...string) (base string, stop func() string) {
	t.Helper()
	stderr := &lineWatch{prefix: "· serving   ", found: make(chan string, 1)}
	var stdout bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append([]string{"local", "start-api", "--port", "0"}, args...), strings.NewReader(""), &stdout, stderr, unset)
	}()
	t.Cleanup(cancel)
	select {
	case line := <-stderr.found:
		base, _, _ = strings.Cut(line, ",")
	case status := <-ended:
		t.Fatalf("ended with %d:\n%s", status, stderr)
	}
	return base, func() string {
		cancel()
		if status := <-ended; status != exitOK {
			t.Errorf("ended with %d", status)
		}
		return stdout.String() + stderr.String()
	}
}

// A form is submitted, its result fetched and the server stopped.
func TestStartAPIServesTheRelay(t *testing.T) {
	text, err := os.ReadFile("../../events/recognize.json")
	if err != nil {
		t.Fatal(err)
	}
	var event struct{ Path, Body string }
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatal(err)
	}
	base, stop := startLocal(t)
	resp, id := send(t, http.MethodPost, base+event.Path, strings.NewReader(event.Body))
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") == "application/json" || !guid.MatchString(id) {
		t.Fatalf("submitting: %d %v %q", resp.StatusCode, resp.Header, id)
	}
	status := "NotReady"
	for range 100 {
		_, result := send(t, http.MethodGet, base+"/v5.0/omr/RecognizeTemplate/GetRecognizeTemplate?id="+id+"&", nil)
		var answer struct{ ResponseStatusCode string }
		if err := json.Unmarshal([]byte(result), &answer); err != nil {
			t.Fatalf("%v in %s", err, result)
		}
		if status = answer.ResponseStatusCode; status != "NotReady" {
			break
		}
		<-time.After(standInTime / 10)
	}
	if status != "Ok" {
		t.Errorf("the result is %q, want Ok", status)
	}
	if resp, body := send(t, http.MethodGet, base+"/nowhere", nil); resp.StatusCode != http.StatusNotFound || !strings.Contains(body, "route_not_found") {
		t.Errorf("no route: %d %s", resp.StatusCode, body)
	}
	shown := stop()
	noSecretsIn(t, output{stderr: shown})
	if strings.Contains(shown, id) {
		t.Errorf("a query's value was shown:\n%s", shown)
	}
}

func TestStartAPIFailsOnAPortInUse(t *testing.T) {
	taken, err := listen(t.Context(), "127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := strings.Cut(taken.Addr().String(), ":")
	got := runWith(t.Context(), strings.NewReader(""), unset, "start-api", "--port", port)
	if want := "local: port " + port + " of 127.0.0.1 is in use: choose another with --port\n"; got != (output{exitFailed, "", want}) {
		t.Errorf("%+v, want %q", got, want)
	}
}
