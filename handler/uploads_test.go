package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"omr-relay/handler"
	"omr-relay/internal/problem"
)

// uploadForms gives forms that show who asked.
func uploadForms(_ context.Context, caller string) (*handler.UploadForm, error) {
	return &handler.UploadForm{
		Upload: "u1", URL: "https://bucket.test/it's", Expires: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Fields: map[string]string{"key": "uploads/" + caller + "/u1", "policy": "e30=", "odd": `it's "$(odd)" @x`},
	}, nil
}

// TestUploadForm: the answer has what a client needs, for its caller alone.
func TestUploadForm(t *testing.T) {
	for kind, e := range eachKind(http.MethodPost, "/uploads") {
		for _, body := range []string{"", " ", "{}", " {}\n"} {
			f := fixtureOf(handler.Config{NewUploadForm: uploadForms, Relay: roundTrip(nil)})
			r := invoke(t, f, e.withBody(body))
			f.none(t)
			var answer struct {
				Upload, URL, Expires, Curl string
				Fields                     map[string]string
			}
			if err := json.Unmarshal(r.body, &answer); err != nil || r.StatusCode != http.StatusOK || r.Headers["Cache-Control"] != "no-store" ||
				r.Headers["Content-Type"] != "application/json" {
				t.Fatalf("%s %q: %d %v %s", kind, body, r.StatusCode, r.Headers, r.body)
			}
			if answer.Upload != "u1" || answer.Expires != "2026-01-02T03:04:05Z" || len(answer.Fields) != 3 || answer.URL != "https://bucket.test/it's" {
				t.Errorf("%s: %+v", kind, answer)
			}
			checkCurl(t, answer.Curl, answer.Fields, answer.URL)
			if line := f.out.String(); strings.Contains(line, "e30=") || strings.Contains(line, "bucket.test") || !strings.Contains(line, `"route":"/uploads"`) {
				t.Errorf("logged %s", line)
			}
		}
	}
}

// checkCurl has a shell read the command: each field is one word, as it is, and the
// file comes last.
func checkCurl(t *testing.T, command string, fields map[string]string, url string) {
	t.Helper()
	shell := exec.CommandContext(t.Context(), "sh", "-c", `curl() { printf '%s\n' "$@"; }; `+command)
	out, err := shell.Output()
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	words := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	for name, value := range fields {
		if i := slices.Index(words, name+"="+value); i < 1 || words[i-1] != "--form-string" {
			t.Errorf("%s=%s is not among %q", name, value, words)
		}
	}
	if last := words[len(words)-3:]; !slices.Equal(last, []string{"-F", "file=@scan.jpg", url}) {
		t.Errorf("ends in %q", last)
	}
}

// Each caller's forms are its own.
func TestUploadFormsOfCallers(t *testing.T) {
	seen := map[string]bool{}
	for _, id := range []string{"", "one", "two"} {
		f := fixtureOf(handler.Config{NewUploadForm: uploadForms, Relay: roundTrip(nil)})
		r := invoke(t, f, restEvent(http.MethodPost, "/uploads").with("requestContext", map[string]any{"stage": "live", "identity": map[string]any{"apiKeyId": id}}))
		var answer struct{ Fields map[string]string }
		if err := json.Unmarshal(r.body, &answer); err != nil || strings.Contains(answer.Fields["key"], "one") {
			t.Fatalf("%s, %v", r.body, err)
		}
		seen[answer.Fields["key"]] = true
	}
	if len(seen) != 3 {
		t.Errorf("keys of three callers: %v", seen)
	}
}

// What would not be heeded is refused: a file that is sent here is not kept.
func TestUploadsTakeNothing(t *testing.T) {
	f := fixtureOf(handler.Config{NewUploadForm: uploadForms, Relay: roundTrip(nil)})
	for name, e := range map[string]event{
		"a file":  restEvent(http.MethodPost, "/uploads").withBody(strings.Repeat("x", 1000)),
		"options": restEvent(http.MethodPost, "/uploads").withBody(`{"size":3}`),
		"query":   restEvent(http.MethodPost, "/uploads").with("queryStringParameters", map[string]string{"size": "3"}),
	} {
		r := invoke(t, f, e)
		if r.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(string(r.body), `"code":"invalid_input"`) {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
	}
	r := invoke(t, f, restEvent(http.MethodGet, "/uploads"))
	if r.StatusCode != http.StatusMethodNotAllowed || r.Headers["Allow"] != "POST" {
		t.Errorf("GET: %d %v", r.StatusCode, r.Headers)
	}
}

// Without a bucket there is no such route, and it says how there would be.
func TestNoUploads(t *testing.T) {
	r := invoke(t, newFixture(nil), restEvent(http.MethodPost, "/uploads"))
	if r.StatusCode != http.StatusNotFound || !strings.Contains(string(r.body), `"code":"route_not_found"`) || !strings.Contains(string(r.body), "Scans=create") {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
}

// Nobody can be given a form where there are no credentials to sign it.
func TestUploadFormFails(t *testing.T) {
	f := fixtureOf(handler.Config{Relay: roundTrip(nil), NewUploadForm: func(context.Context, string) (*handler.UploadForm, error) {
		return nil, &problem.Error{Code: problem.BucketUnavailable, RetryAfter: time.Second, Err: errors.New("canary-7f3a")}
	}})
	r := invoke(t, f, restEvent(http.MethodPost, "/uploads"))
	if r.StatusCode != http.StatusServiceUnavailable || r.Headers["Retry-After"] != "1" || strings.Contains(string(r.body)+f.out.String(), "canary") ||
		!strings.Contains(f.out.String(), `"level":"ERROR"`) {
		t.Errorf("%d %v %s\n%s", r.StatusCode, r.Headers, r.body, f.out.String())
	}
}
