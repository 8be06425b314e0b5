package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"omr-relay/internal/sandbox"
)

// pageOfAnother is an origin that may call, where start-api is told so.
const pageOfAnother = "https://portal.school.example"

// sendAs makes a request with these headers.
func sendAs(t *testing.T, method, url string, body io.Reader, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// newForm asks a relay for the form of an upload.
func newForm(t *testing.T, base, key string) (form uploadForm) {
	t.Helper()
	resp, text := sendAs(t, http.MethodPost, base+"/uploads", nil, "Authorization", "Bearer "+key)
	if err := json.Unmarshal([]byte(text), &form); resp.StatusCode != http.StatusOK || err != nil {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	return form
}

// multipartOf is a form as curl and browsers send it: the fields, then the file.
func multipartOf(t *testing.T, fields map[string]string, file, name string, data []byte) (body *bytes.Buffer, contentType string) {
	t.Helper()
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if err := w.WriteField(field, fields[field]); err != nil {
			t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile(file, name)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return body, w.FormDataContentType()
}

// A scan of 6 MB goes to the bucket that start-api brings, and then through the
// relay; it is its caller's own, and what is told of it is neither its key nor its name.
func TestStartAPIBringsABucket(t *testing.T) {
	base, stop := startLocal(t, "--api-key", firstKey, "--api-key", secondKey)
	form := newForm(t, base, firstKey)
	const secret = "name-of-a-pupil"
	body, contentType := multipartOf(t, form.Fields, "file", secret+".png", largeScan(6_000_000))
	if resp, text := sendAs(t, http.MethodPost, form.URL, body, "Content-Type", contentType); resp.StatusCode != http.StatusNoContent {
		t.Fatalf("the upload: %d %s", resp.StatusCode, text)
	}
	// Twice with one Idempotency-Key: the second answer is of the same task.
	tasks := map[string]bool{}
	for range 2 {
		body, contentType = multipartOf(t, map[string]string{"upload": form.Upload}, "pattern", "form.omr", sandbox.SamplePattern())
		resp, text := sendAs(t, http.MethodPost, base+"/recognize", body, "Content-Type", contentType, "Authorization", "Bearer "+firstKey, "Idempotency-Key", "a-key-of-this-test")
		if resp.StatusCode != http.StatusOK || !strings.Contains(text, `Question1,"A"`) {
			t.Errorf("its own caller: %d %s", resp.StatusCode, text)
		}
		tasks[resp.Header.Get("Content-Location")] = true
	}
	if len(tasks) != 1 {
		t.Errorf("tasks %v", tasks)
	}
	body, contentType = multipartOf(t, map[string]string{"upload": form.Upload}, "pattern", "form.omr", sandbox.SamplePattern())
	if resp, text := sendAs(t, http.MethodPost, base+"/recognize", body, "Content-Type", contentType, "Authorization", "Bearer "+secondKey); resp.StatusCode != http.StatusNotFound || !strings.Contains(text, "upload_not_found") {
		t.Errorf("another caller: %d %s", resp.StatusCode, text)
	}
	shown := stop()
	if !inOrder(shown, "the stand-in S3; set ", "← answer    200, ",
		"↔ bucket    record of the Idempotency-Key written at the stand-in S3: 200, 0 B, in ",
		"↔ bucket    upload read at the stand-in S3: 206, 1.0 kB, in ",
		"↔ bucket    upload read at the stand-in S3: 200, 6.0 MB, in ",
		"↔ bucket    record of the Idempotency-Key written at the stand-in S3: 200, 0 B, in ",
		"↔ bucket    record of the Idempotency-Key read at the stand-in S3: 200, ", // of the second call
		"↔ bucket    upload read at the stand-in S3: 404, ") {                      // of the other caller
		t.Errorf("narrated\n%s", shown)
	}
	for _, hidden := range []string{form.Upload, secret, form.Fields["policy"], form.Fields["X-Amz-Signature"], "a-key-of-this-test", firstKey, "PNG"} {
		if strings.Contains(shown, hidden) {
			t.Errorf("%q was shown:\n%s", hidden, shown)
		}
	}
}

// The bucket lets those pages read its answers that may call the relay: its own, and
// the one of --allow-origin.
func TestStartAPIsBucketKnowsItsPages(t *testing.T) {
	base, _ := startLocal(t, "--allow-origin", pageOfAnother)
	form := newForm(t, base, "")
	localhost := strings.Replace(base, "127.0.0.1", "localhost", 1)
	for origin, want := range map[string]string{
		base: base, localhost: localhost, pageOfAnother: pageOfAnother, "https://other.example": "", "": "",
	} {
		body, contentType := multipartOf(t, form.Fields, "file", "scan.png", sandbox.SampleFilledForm())
		resp, text := sendAs(t, http.MethodPost, form.URL, body, "Content-Type", contentType, "Origin", origin)
		if got := resp.Header.Get("Access-Control-Allow-Origin"); resp.StatusCode != http.StatusNoContent || got != want {
			t.Errorf("from %q: %d %q %s", origin, resp.StatusCode, got, text)
		}
	}
	resp, _ := sendAs(t, http.MethodGet, base+"/", nil)
	bucket := strings.TrimSuffix(form.URL, "/"+sandbox.DefaultBucket)
	if policy := resp.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "; connect-src 'self' "+bucket+"; ") {
		t.Errorf("the page may call by %s, and the bucket is %s", policy, bucket)
	}
}

// Beside real services there is no bucket but the one that is named, and that is
// reached as the SDK reaches it.
func TestBucketBesideRealServices(t *testing.T) {
	services, err := sandbox.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = services.Close() })
	sdkEnvironment(t, services.SecretsURL(), "eu-central-1")
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
	secret, upstream := map[string]string{"OMR_SECRET_ID": sandbox.DefaultSecretID}, map[string]string{"OMR_BASE_URL": services.URL()}
	named := map[string]string{"OMR_BUCKET": "scans-of-a-school"}
	both := maps.Clone(secret)
	maps.Copy(both, upstream)
	all := maps.Clone(both)
	maps.Copy(all, named)
	const none, theirs = `"statusCode":404`, `http://127.0.0.1:9/scans-of-a-school`
	for name, c := range map[string]struct {
		settings map[string]string
		want     string
		using    string // that is said of the stand-ins
	}{
		"a secret":             {secret, none, "the stand-in token service, the stand-in Aspose.OMR; set OMR_BASE_URL to"},
		"an upstream":          {upstream, none, "the stand-in Secrets Manager; set OMR_SECRET_ID to"},
		"both":                 {both, none, ""},
		"a bucket alone":       {named, theirs, "the stand-in Aspose.OMR; set OMR_SECRET_ID and OMR_BASE_URL to"},
		"everything":           {all, theirs, ""},
		"everything invented ": {nil, `http://127.0.0.1:[0-9]+/` + sandbox.DefaultBucket, "the stand-in S3; set OMR_SECRET_ID, OMR_BASE_URL and OMR_BUCKET to"},
	} {
		got := runWith(t.Context(), strings.NewReader(""), env(c.settings), "invoke", "../../events/upload.json")
		if got.status != exitOK || !regexp.MustCompile(c.want).MatchString(got.stdout) || !strings.Contains(got.stderr, c.using) || c.using == "" && strings.Contains(got.stderr, "· using") {
			t.Errorf("%s: %+v, want %s", name, got, c.want)
		}
	}
}

// A region that is missing is told once, whatever needs it.
func TestMissingRegionIsToldOnce(t *testing.T) {
	sdkEnvironment(t, "", "")
	got := runWith(t.Context(), strings.NewReader(""), env(map[string]string{"OMR_SECRET_ID": "s", "OMR_BUCKET": "scans"}), "invoke", "../../events/healthz.json")
	if got.status != exitFailed || strings.Count(got.stderr, "AWS_REGION") != 1 {
		t.Errorf("%+v", got)
	}
}
