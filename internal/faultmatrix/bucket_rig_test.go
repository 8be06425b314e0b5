package faultmatrix

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"

	"omr-relay/internal/app"
	"omr-relay/internal/sandbox"
)

// bucketRig is the relay with a bucket that fails, and an upload in it.
type bucketRig struct {
	t         *testing.T
	bucket    *sandbox.S3
	aspose    *sandbox.Aspose
	s3        *service
	elsewhere *service
	relay     *app.Relay
	out       output
	upload    string // its id
	met       atomic.Int32

	mu        sync.Mutex // guards what follows
	submitted int        // whole submissions
	before    step       // what is answered before coming begins
	coming    *fault
}

// uploadedScan is a PNG by its beginning. What is in the wrong place is not it.
var uploadedScan = sync.OnceValue(func() []byte {
	scan := append([]byte("\x89PNG\r\n\x1a\n"), image...)
	for i := range 40_000 {
		scan = append(scan, byte(i*i>>5), byte(i>>8))
	}
	return append(scan, image...)
})

func newBucketRig(t *testing.T, p protocol, f *fault) *bucketRig {
	t.Helper()
	w := newWorld()
	b := &bucketRig{t: t, aspose: &sandbox.Aspose{Valid: func(token string) bool { return strings.HasPrefix(token, accessToken) }}, bucket: &sandbox.S3{
		Region: "eu-west-1", Credentials: aws.Credentials{AccessKeyID: awsKeyID, SecretAccessKey: awsSecretKey, SessionToken: awsSession},
	}}
	b.aspose.SetNotReady(0)
	b.elsewhere = newService(t, http1, false, b.bucket.ServeHTTP)
	b.s3 = newService(t, p, f.refuses, b.serveS3)
	b.s3.elsewhere = b.elsewhere.url()
	b.s3.babble = strings.Join([]string{clientSecret, accessToken, awsSecretKey, awsSession, string(image)}, " ")
	url := newService(t, http1, false, b.serveUpstream).url()
	cfg := configured(t, map[string]string{
		"OMR_SECRET_ID": secretID, "OMR_BASE_URL": url, "OMR_BUCKET": sandbox.DefaultBucket,
		"OMR_TOKEN_URL": newService(t, http1, false, w.mint).url() + sandbox.TokenPath,
	})
	bucket := awsAt(b.s3.url())
	b.relay = app.New(cfg, app.Options{AWS: awsAt(newService(t, http1, false, w.secrets.ServeHTTP).url()), Bucket: &bucket, Log: &b.out, Metrics: true})
	return b
}

// serveS3 begins the fault of connections where its turn comes: on the next one.
func (b *bucketRig) serveS3(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	f := b.coming
	if f != nil && stepOf(r) == b.before {
		b.coming = nil
	} else {
		f = nil
	}
	b.mu.Unlock()
	if f != nil {
		b.s3.fail(f)
	}
	b.bucket.ServeHTTP(w, r)
}

// serveUpstream takes requests that came whole.
func (b *bucketRig) serveUpstream(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		var task struct{ Images [][]byte }
		body, _ := io.ReadAll(r.Body) // in memory
		if err := json.Unmarshal(body, &task); err != nil || len(task.Images) != 1 || !bytes.Equal(task.Images[0], uploadedScan()) {
			b.t.Errorf("what was submitted is not the upload: %d bytes, %v", len(body), err)
		}
		b.mu.Lock()
		b.submitted++
		b.mu.Unlock()
		r.Body = io.NopCloser(newBody(body))
	}
	b.aspose.ServeHTTP(w, r)
}

func (b *bucketRig) submissions() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.submitted
}

// fail has S3 fail when it comes to a step: the requests of that kind alone or,
// where connections fail, all from then on.
func (b *bucketRig) fail(at step, f *fault) {
	limited := *f
	if f.serve != nil {
		limited.serve = func(x exchange) {
			if stepOf(x.request) != at || f.times > 0 && int(b.met.Load()) >= f.times {
				x.service.clean(x.ResponseWriter, x.request)
				return
			}
			b.met.Add(1)
			f.serve(x)
		}
		b.s3.fail(&limited)
		return
	}
	if f.connect != nil {
		limited.connect = func(s *service, c net.Conn) {
			b.met.Add(1)
			f.connect(s, c)
		}
	}
	if at == intent {
		b.s3.fail(&limited)
		return
	}
	b.s3.part(true) // so that the step comes on a new connection
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before = map[step]step{finding: intent, reading: finding, storing: reading, recorded: intent}[at]
	b.coming = &limited
}

// post sends a request to the relay, which waits for nothing, and returns status and code.
func (b *bucketRig) post(path string, deadline time.Duration, body string, headers map[string]string) outcome {
	b.t.Helper()
	headers["Content-Type"] = "application/json"
	return request(b.t, b.relay, http.MethodPost, path, deadline, body, headers)
}

// request sends one to a relay, and returns status and code.
func request(t *testing.T, relay *app.Relay, method, path string, deadline time.Duration, body string, headers map[string]string) outcome {
	t.Helper()
	event, _ := json.Marshal(map[string]any{
		"resource": path, "path": path, "httpMethod": method, "headers": headers, "body": body,
		"requestContext": map[string]any{"stage": "v1", "identity": map[string]string{"apiKeyId": "key0000001"}},
	})
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	began := time.Now()
	payload, err := relay.Handler.Invoke(lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: "id"}), event)
	if err != nil {
		t.Fatal(err)
	}
	o := outcome{payload: payload, took: time.Since(began)}
	var answer struct {
		StatusCode      int
		Headers         map[string]string
		Body            string
		IsBase64Encoded bool
	}
	if err := json.Unmarshal(payload, &answer); err != nil {
		t.Fatal(err)
	}
	if o.body = []byte(answer.Body); answer.IsBase64Encoded {
		o.body, _ = base64.StdEncoding.DecodeString(answer.Body)
	}
	o.retryAfter, _ = strconv.Atoi(answer.Headers["Retry-After"])
	var document struct{ Code, Detail string }
	if answer.Headers["Content-Type"] == "application/problem+json" {
		_ = json.Unmarshal(o.body, &document)
	}
	o.text, o.detail = strings.TrimSpace(fmt.Sprint(answer.StatusCode, " ", document.Code)), document.Detail
	if o.took >= deadline+slack {
		t.Errorf("answered %s after %s, past the deadline", o.text, o.took)
	}
	return o
}

// recognize submits the upload, with the one Idempotency-Key.
func (b *bucketRig) recognize(deadline time.Duration, prefer string) outcome {
	b.t.Helper()
	body := fmt.Sprintf(`{"images":[{"upload":%q}],"omrFile":%q}`, b.upload, base64.StdEncoding.EncodeToString(sandbox.SamplePattern()))
	o := b.post("/recognize", deadline, body, map[string]string{"Idempotency-Key": "one key", "Prefer": "wait=0" + prefer})
	for name, text := range map[string][]byte{"log": b.out.bytes(), "answer": o.payload, "answer's body": o.body} {
		if leak := canaries.find(text); leak != "" {
			b.t.Errorf("the %s shows %s: %s", name, leak, text)
		}
	}
	return o
}

// putUpload asks for a form, whatever state S3 is in, and does what it is for.
func (b *bucketRig) putUpload() {
	b.t.Helper()
	var form struct {
		Upload string
		Fields map[string]string
	}
	got := b.post("/uploads", patient, "", map[string]string{})
	if err := json.Unmarshal(got.body, &form); err != nil || got.text != "200" || form.Fields["key"] == "" {
		b.t.Fatalf("a form: %s, %v", got.text, err)
	}
	// A session's token is part of what is presigned, and opens nothing by itself.
	if leak := awsSecrets.find(append(got.payload, got.body...)); leak != "" {
		b.t.Errorf("the form shows %s", leak)
	}
	b.upload = form.Upload
	b.bucket.SetObject(form.Fields["key"], uploadedScan())
}

// age has the invocation that the record is of be over, as it is some time later.
func (b *bucketRig) age() {
	b.t.Helper()
	for _, key := range b.bucket.Keys() {
		if !strings.HasPrefix(key, "idempotency/") {
			continue
		}
		var record map[string]any
		text, _ := b.bucket.Object(key)
		if err := json.Unmarshal(text, &record); err != nil {
			b.t.Fatal(err)
		}
		record["until"] = time.Now().Add(-time.Second).UTC()
		text, _ = json.Marshal(record)
		b.bucket.SetObject(key, text)
	}
}
