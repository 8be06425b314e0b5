package faultmatrix

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"omr-relay/internal/app"
	"omr-relay/internal/config"
	"omr-relay/internal/sandbox"
)

// rig is the relay between three services.
type rig struct {
	t         *testing.T
	world     *world
	services  map[app.Hop]*service
	elsewhere *service
	relay     *app.Relay
	out       output // log and metrics
}

var hops = []app.Hop{app.HopSecret, app.HopToken, app.HopUpstream}

// newRig wires a relay of which one service will fail, over that protocol.
func newRig(t *testing.T, failing app.Hop, p protocol, f *fault) *rig {
	t.Helper()
	w := newWorld()
	r := &rig{t: t, world: w, services: map[app.Hop]*service{}}
	r.elsewhere = newService(t, http1, false, w.echo)
	for hop, clean := range map[app.Hop]http.HandlerFunc{
		app.HopSecret: w.secrets.ServeHTTP, app.HopToken: w.mint, app.HopUpstream: w.echo,
	} {
		over, alone := http1, false
		if hop == failing {
			over, alone = p, f.refuses
		}
		s := newService(t, over, alone, clean)
		s.elsewhere = r.elsewhere.url()
		s.babble = strings.Join([]string{clientID, clientSecret, accessToken, awsSecretKey, awsSession, string(image)}, " ")
		if hop == app.HopUpstream {
			s.babble = result // its errors are the caller's to see
		}
		r.services[hop] = s
	}
	r.relay = newRelay(t, r.services[app.HopSecret].url(), r.services[app.HopToken].url(), r.services[app.HopUpstream].url(), &r.out)
	return r
}

// newRelay wires the relay as cmd/relay does. Only the SDK's pause between
// attempts is cut short.
func newRelay(t *testing.T, secretsURL, tokenURL, upstreamURL string, out io.Writer) *app.Relay {
	t.Helper()
	cfg := configured(t, map[string]string{
		"OMR_SECRET_ID": secretID, "OMR_BASE_URL": upstreamURL, "OMR_TOKEN_URL": tokenURL + sandbox.TokenPath,
	})
	return app.New(cfg, app.Options{AWS: awsAt(secretsURL), Log: out, Metrics: true})
}

func configured(t *testing.T, settings map[string]string) config.Config {
	t.Helper()
	cfg, err := config.FromEnv(func(name string) string { return settings[name] })
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func awsAt(url string) aws.Config {
	return aws.Config{
		Region:       "eu-west-1",
		Credentials:  credentials.NewStaticCredentialsProvider(awsKeyID, awsSecretKey, awsSession),
		BaseEndpoint: &url,
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Millisecond, nil })
			})
		},
	}
}

const awsKeyID = "AKIAFAULTS"

// warmUp is the fourth kind of event besides the three methods.
const warmUp = "warm-up"

var events = []string{http.MethodGet, http.MethodPost, http.MethodDelete, warmUp}

// outcome is what came of an invocation.
type outcome struct {
	// text is the matrix's word for it.
	text       string
	detail     string // of a problem
	body       []byte
	retryAfter int
	took       time.Duration
	payload    []byte
}

// invoke sends one event through the handler.
func (r *rig) invoke(kind, id string, deadline time.Duration) outcome {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), deadline)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: id})
	began := time.Now()
	payload, err := r.relay.Handler.Invoke(ctx, event(kind, id))
	if err != nil {
		r.t.Fatalf("%s: %v", kind, err)
	}
	o, err := read(kind, id, payload)
	if err != nil {
		r.t.Errorf("%s: %v in %s", kind, err, payload)
	}
	o.took = time.Since(began)
	return o
}

func event(kind, id string) []byte {
	if kind == warmUp {
		return []byte(`{"warmup":true}`)
	}
	fields := map[string]any{
		"resource": "/{proxy+}", "path": callPath, "httpMethod": kind,
		"headers":               map[string]string{"Content-Type": "application/json"},
		"queryStringParameters": map[string]string{"id": id},
		"pathParameters":        map[string]string{"proxy": callPath[1:]},
		"requestContext":        map[string]any{"stage": "v1"},
	}
	if kind != http.MethodGet {
		fields["body"] = `{"images":["` + encodedImage() + `"]}`
	}
	text, _ := json.Marshal(fields)
	return text
}

const callPath = "/v5.0/omr/RecognizeTemplate/PostRecognizeTemplate"

// read understands what the handler returned, and holds every problem to the
// contract.
func read(kind, id string, payload []byte) (outcome, error) {
	o := outcome{payload: payload}
	if kind == warmUp {
		var report struct {
			Warm bool
			Code string
		}
		err := json.Unmarshal(payload, &report)
		if o.text = "warm"; !report.Warm {
			o.text = "not warm, " + report.Code
		}
		return o, err
	}
	var answer struct {
		StatusCode      int
		Headers         map[string]string
		Body            string
		IsBase64Encoded bool
	}
	if err := json.Unmarshal(payload, &answer); err != nil {
		return o, err
	}
	o.body = []byte(answer.Body)
	if answer.IsBase64Encoded {
		o.body, _ = base64.StdEncoding.DecodeString(answer.Body)
	}
	o.retryAfter, _ = strconv.Atoi(answer.Headers["Retry-After"])
	switch {
	case answer.Headers["Content-Type"] == "application/problem+json":
		return o.problem(answer.StatusCode, id)
	case answer.StatusCode == http.StatusOK && bytes.Equal(o.body, echoed(kind, id)):
		o.text = "200"
	default:
		o.text = fmt.Sprintf("%d passed on", answer.StatusCode)
	}
	return o, nil
}

func (o outcome) problem(status int, id string) (outcome, error) {
	var document struct {
		Status                 int
		Code, Detail, Instance string
	}
	err := json.Unmarshal(o.body, &document)
	o.text, o.detail = fmt.Sprintf("%d %s", status, document.Code), document.Detail
	switch {
	case err != nil:
	case document.Status != status || document.Instance != id || document.Detail == "":
		err = fmt.Errorf("a problem that misses something: %s", o.body)
	case status == http.StatusServiceUnavailable != (o.retryAfter > 0) || o.retryAfter > 30:
		err = fmt.Errorf("%d with Retry-After %d", status, o.retryAfter)
	}
	return o, err
}
