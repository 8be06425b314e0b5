package sandbox_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"omr-relay/internal/sandbox"
)

func TestSecretsManagerVersions(t *testing.T) {
	s := start(t)
	client := secretsmanager.NewFromConfig(s.AWSConfig())
	s.Secrets.Put("app", "one")
	second := s.Secrets.Put("app", "two")
	third := s.Secrets.Put("app", "three")
	arn := s.Secrets.ARN("app")

	for _, tt := range []struct {
		name, id, version, stage string
		want                     string
	}{
		{name: "by name", id: "app", want: "three"},
		{name: "by ARN", id: arn, want: "three"},
		{name: "current", id: "app", stage: "AWSCURRENT", want: "three"},
		{name: "previous", id: "app", stage: "AWSPREVIOUS", want: "two"},
		{name: "by version", id: "app", version: second, want: "two"},
		{name: "by both", id: "app", version: third, stage: "AWSCURRENT", want: "three"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := &secretsmanager.GetSecretValueInput{SecretId: &tt.id}
			if tt.version != "" {
				in.VersionId = &tt.version
			}
			if tt.stage != "" {
				in.VersionStage = &tt.stage
			}
			out, err := client.GetSecretValue(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if *out.SecretString != tt.want || *out.Name != "app" || *out.ARN != arn || out.SecretBinary != nil {
				t.Errorf("got %q, %q, %q", *out.SecretString, *out.Name, *out.ARN)
			}
		})
	}
	out, err := client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &arn})
	if err != nil {
		t.Fatal(err)
	}
	if *out.VersionId != third || !slices.Equal(out.VersionStages, []string{"AWSCURRENT"}) {
		t.Errorf("version %s %v, want %s AWSCURRENT", *out.VersionId, out.VersionStages, third)
	}
}

func TestSecretsManagerBinaryAndDate(t *testing.T) {
	created := time.Date(2026, 3, 1, 12, 0, 0, 250e6, time.UTC)
	s := sandbox.New()
	s.Secrets.Now = func() time.Time { return created }
	s.Secrets.PutBinary("bin", []byte{0, 1, 255})
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out, err := secretsmanager.NewFromConfig(s.AWSConfig()).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("bin")})
	if err != nil {
		t.Fatal(err)
	}
	if out.SecretString != nil || !slices.Equal(out.SecretBinary, []byte{0, 1, 255}) || !out.CreatedDate.Equal(created) {
		t.Errorf("got %v, %v, %v", out.SecretString, out.SecretBinary, out.CreatedDate)
	}
}

func TestSecretsManagerErrorsAsTheSDKSeesThem(t *testing.T) {
	s := start(t)
	client := secretsmanager.NewFromConfig(s.AWSConfig())
	for _, tt := range []struct {
		name   string
		in     secretsmanager.GetSecretValueInput
		fault  sandbox.Fault
		code   string
		status int
	}{
		{name: "unknown secret", in: secretsmanager.GetSecretValueInput{SecretId: aws.String("none")}, code: "ResourceNotFoundException", status: 400},
		{name: "unknown stage", in: secretsmanager.GetSecretValueInput{VersionStage: aws.String("AWSPENDING")}, code: "ResourceNotFoundException", status: 400},
		{name: "unknown version", in: secretsmanager.GetSecretValueInput{VersionId: aws.String(strings.Repeat("0", 36))}, code: "ResourceNotFoundException", status: 400},
		{name: "empty id", in: secretsmanager.GetSecretValueInput{SecretId: aws.String("")}, code: "InvalidParameterException", status: 400},
		{name: "denied", fault: sandbox.AccessDenied, code: "AccessDeniedException", status: 400},
		{name: "throttled", fault: sandbox.Throttled, code: "ThrottlingException", status: 400},
		{name: "decryption", fault: sandbox.DecryptionFailed, code: "DecryptionFailure", status: 400},
		{name: "deleted", fault: sandbox.MarkedForDeletion, code: "InvalidRequestException", status: 400},
		{name: "service", fault: sandbox.SecretsServiceError, code: "InternalServiceError", status: 500},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.fault.Type != "" {
				s.Secrets.Fail(tt.fault, 1)
			}
			if tt.in.SecretId == nil {
				tt.in.SecretId = aws.String(sandbox.DefaultSecretID)
			}
			before := s.Secrets.Reads()
			_, err := client.GetSecretValue(t.Context(), &tt.in)
			api, ok := errors.AsType[smithy.APIError](err)
			if !ok || api.ErrorCode() != tt.code || api.ErrorMessage() == "" {
				t.Errorf("err = %v, want %s with a message", err, tt.code)
			}
			status, ok := errors.AsType[interface {
				error
				HTTPStatusCode() int
			}](err)
			if !ok || status.HTTPStatusCode() != tt.status {
				t.Errorf("err = %v, want HTTP %d", err, tt.status)
			}
			if got := s.Secrets.Reads() - before; got != 1 {
				t.Errorf("%d reads, want 1", got)
			}
		})
	}
	if _, err := client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("none")}); !isType[*types.ResourceNotFoundException](err) {
		t.Errorf("err = %T, want the modelled type", err)
	}
}

func isType[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func TestSecretsManagerFailCounts(t *testing.T) {
	s := start(t)
	client := secretsmanager.NewFromConfig(s.AWSConfig())
	read := func() error {
		_, err := client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(sandbox.DefaultSecretID)})
		return err
	}
	s.Secrets.Fail(sandbox.Throttled, 2)
	for i, fails := range []bool{true, true, false} {
		if err := read(); (err != nil) != fails {
			t.Errorf("read %d after Fail(2): %v", i+1, err)
		}
	}
	s.Secrets.Fail(sandbox.Throttled, -1)
	for range 5 {
		if read() == nil {
			t.Fatal("Fail(-1) must last")
		}
	}
	s.Secrets.Fail(sandbox.Fault{}, 0)
	if err := read(); err != nil {
		t.Errorf("after Fail(0): %v", err)
	}
}

func TestSecretsManagerRefusesMalformedRequests(t *testing.T) {
	const scope = "AKID/20261121/us-east-1/secretsmanager/aws4_request"
	signature := ", SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0", 64)
	good := map[string]string{
		"Content-Type":  "application/x-amz-json-1.1",
		"X-Amz-Target":  "secretsmanager.GetSecretValue",
		"X-Amz-Date":    "20261121T000000Z",
		"Authorization": "AWS4-HMAC-SHA256 Credential=" + scope + signature,
	}
	for _, tt := range []struct {
		name, method, path, body string
		header, value            string
		want                     string
		status                   int
	}{
		{name: "well-formed", want: `"SecretString"`, status: 200},
		{name: "method", method: "GET", want: "UnknownOperationException", status: 404},
		{name: "path", path: "/v1", want: "UnknownOperationException", status: 404},
		{name: "operation", header: "X-Amz-Target", value: "secretsmanager.PutSecretValue", want: "UnknownOperationException", status: 404},
		{name: "content type", header: "Content-Type", value: "application/json", want: "UnknownOperationException", status: 404},
		{name: "no signature", header: "Authorization", want: "MissingAuthenticationTokenException", status: 400},
		{name: "bearer", header: "Authorization", value: "Bearer x", want: "IncompleteSignatureException", status: 400},
		{name: "no date", header: "X-Amz-Date", want: "IncompleteSignatureException", status: 400},
		{name: "other service", header: "Authorization", value: "AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/s3/aws4_request" + signature, want: "InvalidSignatureException", status: 400},
		{name: "body", body: "[", want: "SerializationException", status: 400},
		{name: "oversized", body: strings.Repeat(" ", 65<<10), want: "RequestEntityTooLargeException", status: 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := sandbox.New()
			var header []string
			for name, value := range good {
				if name == tt.header {
					value = tt.value
				}
				if value != "" {
					header = append(header, name, value)
				}
			}
			if tt.body == "" {
				tt.body = `{"SecretId":"` + sandbox.DefaultSecretID + `"}`
			}
			if tt.method == "" {
				tt.method = http.MethodPost
			}
			if tt.path == "" {
				tt.path = "/"
			}
			resp, body := call(t, sandbox.InProcess(s.Secrets), tt.method, "http://x"+tt.path, tt.body, header...)
			if resp.StatusCode != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("%d %s, want %d %s", resp.StatusCode, body, tt.status, tt.want)
			}
		})
	}
}
