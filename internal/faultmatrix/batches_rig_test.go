package faultmatrix

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"omr-relay/internal/app"
	"omr-relay/internal/sandbox"
)

// batchesRig is the relay with a state machine that fails.
type batchesRig struct {
	t         *testing.T
	machine   *sandbox.StepFunctions
	states    *service
	elsewhere *service
	relay     *app.Relay
	out       output
	met       atomic.Int32
}

func newBatchesRig(t *testing.T, p protocol, f *fault) *batchesRig {
	t.Helper()
	b := &batchesRig{t: t, machine: &sandbox.StepFunctions{}}
	bucket := &sandbox.S3{Region: "eu-west-1", Credentials: aws.Credentials{AccessKeyID: awsKeyID, SecretAccessKey: awsSecretKey, SessionToken: awsSession}}
	b.elsewhere = newService(t, http1, false, b.machine.ServeHTTP)
	b.states = newService(t, p, f.refuses, b.machine.ServeHTTP)
	b.states.elsewhere = b.elsewhere.url()
	b.states.babble = strings.Join([]string{clientSecret, accessToken, awsSecretKey, awsSession, string(image)}, " ")
	cfg := configured(t, map[string]string{
		"OMR_SECRET_ID": secretID, "OMR_BUCKET": sandbox.DefaultBucket, "OMR_STATE_MACHINE": sandbox.DefaultStateMachine,
	})
	s3, states := awsAt(newService(t, http1, false, bucket.ServeHTTP).url()), awsAt(b.states.url())
	b.relay = app.New(cfg, app.Options{Bucket: &s3, Machine: &states, Log: &b.out, Metrics: true})
	return b
}

// fail has Step Functions fail when they are asked that or, where connections fail,
// whatever they are asked.
func (b *batchesRig) fail(a ask, f *fault) {
	limited := *f
	if f.serve != nil {
		limited.serve = func(x exchange) {
			if !a.isOf(x.request) || f.times > 0 && int(b.met.Load()) >= f.times {
				x.service.clean(x.ResponseWriter, x.request)
				return
			}
			b.met.Add(1)
			f.serve(x)
		}
	}
	b.states.fail(&limited)
}

// send sends a request, and finds no secret in what comes of it.
func (b *batchesRig) send(method, path string, deadline time.Duration, body string) outcome {
	b.t.Helper()
	o := request(b.t, b.relay, method, path, deadline, body, map[string]string{"Content-Type": "application/json", "Idempotency-Key": "one key"})
	for name, text := range map[string][]byte{"log": b.out.bytes(), "answer": o.payload, "answer's body": o.body} {
		if leak := canaries.find(text); leak != "" {
			b.t.Errorf("the %s shows %s: %s", name, leak, text)
		}
	}
	return o
}

// order asks for the one batch.
func (b *batchesRig) order(deadline time.Duration) outcome {
	b.t.Helper()
	return b.send(http.MethodPost, "/batches", deadline, fmt.Sprintf(`{"pattern":%q,"prefix":"scans/"}`, base64.StdEncoding.EncodeToString(sandbox.SamplePattern())))
}

// begun is the batch, half way.
func (b *batchesRig) begun() (path string) {
	b.t.Helper()
	got := b.order(patient)
	var batch struct{ ID string }
	if err := json.Unmarshal(got.body, &batch); err != nil || got.text != "202" {
		b.t.Fatalf("answered %s, %v", got.text, err)
	}
	names, _ := b.machine.Executions()
	b.machine.Progress(names[0], sandbox.MapCounts{Total: 3, Pending: 1, Running: 1, Succeeded: 1})
	return "/batches/" + batch.ID
}
