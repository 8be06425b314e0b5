package secrets_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"omr-relay/internal/sandbox"
	"omr-relay/secrets"
)

const secretID = "omr/test"

// start returns a stand-in on loopback and the real SDK client in front of it.
func start(t *testing.T) (*sandbox.Sandbox, *secretsmanager.Client) {
	t.Helper()
	sb, err := sandbox.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sb.Close() })
	cfg := sb.AWSConfig()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	cfg.HTTPClient = &http.Client{Transport: transport}
	return sb, secretsmanager.NewFromConfig(cfg)
}

func wantCredentials(t *testing.T, s *secrets.Store, id, secret, version string) {
	t.Helper()
	got, err := s.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.ClientID.Reveal() != id || got.ClientSecret.Reveal() != secret || got.Version != version {
		t.Fatalf("got %q %q of version %q, want %q %q of %q",
			got.ClientID.Reveal(), got.ClientSecret.Reveal(), got.Version, id, secret, version)
	}
}

// wantKind checks that err is of that kind and of no other.
func wantKind(t *testing.T, err error, kind secrets.Kind) {
	t.Helper()
	if _, ok := errors.AsType[*secrets.Error](err); !ok {
		t.Fatalf("got %v, want an *Error", err)
	}
	for _, other := range []secrets.Kind{
		secrets.Malformed, secrets.MissingKey, secrets.EmptyKey, secrets.Binary, secrets.AccessDenied, secrets.KeyDenied, secrets.NotFound, secrets.Deleted, secrets.NoCredentials,
		secrets.DecryptionFailed, secrets.Refused, secrets.Throttled, secrets.Unavailable,
	} {
		if errors.Is(err, other) != (other == kind) {
			t.Fatalf("got %q, want %q", err, kind)
		}
	}
}

func TestGet(t *testing.T) {
	sb, client := start(t)
	version := sb.Secrets.Put(secretID, `{"client_id":"id","client_secret":"s+e&c%r€t","note":["other keys","are fine"]}`)
	for name, id := range map[string]string{"by name": secretID, "by ARN": sb.Secrets.ARN(secretID)} {
		t.Run(name, func(t *testing.T) {
			wantCredentials(t, secrets.NewStore(client, id, nil), "id", "s+e&c%r€t", version)
		})
	}
}

// The stage is named: moto answers a request without one with the version stored last.
func TestLesson10_RotationIsSeenByTheNextGet(t *testing.T) {
	sb, client := start(t)
	sb.Secrets.Record(1)
	s := secrets.NewStore(client, secretID, nil)
	for _, generation := range []string{"one", "two", "three"} {
		version := sb.Secrets.Put(secretID, `{"client_id":"id","client_secret":"`+generation+`"}`)
		wantCredentials(t, s, "id", generation, version)
		wantCredentials(t, s, "id", generation, version)
	}
	if got := string(sb.Secrets.Requests()[0].Body); got != `{"SecretId":"`+secretID+`","VersionStage":"AWSCURRENT"}` {
		t.Errorf("asked for %s", got)
	}
}

func TestKinds(t *testing.T) {
	fault := func(status int, code string) *sandbox.Fault {
		return &sandbox.Fault{Status: status, Type: code, Message: "words of the service"}
	}
	for _, tt := range []struct {
		name  string
		fault *sandbox.Fault
		raw   http.HandlerFunc
		kind  secrets.Kind
		text  string // how the message ends
	}{
		{name: "access denied", fault: &sandbox.AccessDenied, kind: secrets.AccessDenied, text: "AccessDeniedException"},
		{name: "unknown key id", fault: fault(400, "UnrecognizedClientException"), kind: secrets.AccessDenied},
		{name: "bad signature", fault: fault(403, "InvalidSignatureException"), kind: secrets.AccessDenied},
		{name: "expired session", fault: fault(403, "ExpiredTokenException"), kind: secrets.AccessDenied},
		{name: "not found", fault: &sandbox.SecretNotFound, kind: secrets.NotFound, text: "ResourceNotFoundException"},
		{name: "deleted", fault: &sandbox.MarkedForDeletion, kind: secrets.Deleted, text: "InvalidRequestException"},
		{name: "another invalid request", fault: fault(400, "InvalidRequestException"), kind: secrets.Refused, text: "InvalidRequestException"},
		{name: "access to the key denied", fault: &sandbox.KeyDenied, kind: secrets.KeyDenied, text: "AccessDeniedException"},
		{name: "KMS", fault: &sandbox.DecryptionFailed, kind: secrets.DecryptionFailed, text: "DecryptionFailure"},
		{name: "throttled", fault: &sandbox.Throttled, kind: secrets.Throttled, text: "ThrottlingException"},
		{name: "throttled with 429", fault: fault(429, "TooManyRequestsException"), kind: secrets.Throttled},
		{name: "limit", fault: fault(400, "RequestLimitExceeded"), kind: secrets.Throttled},
		{name: "server error", fault: &sandbox.SecretsServiceError, kind: secrets.Unavailable, text: "InternalServiceError"},
		{name: "InternalServiceError with 400", fault: fault(400, "InternalServiceError"), kind: secrets.Unavailable},
		{name: "unknown server error", fault: fault(500, "SomethingNew"), kind: secrets.Unavailable, text: "SomethingNew"},
		{name: "unknown client error", fault: fault(400, "SomethingNew"), kind: secrets.Refused, text: "SomethingNew"},
		{name: "code that is no code", fault: fault(400, "Ask <admin> 4711"), kind: secrets.Refused, text: "GenericAPIError)"},
		{name: "code that is a speech", fault: fault(400, strings.Repeat("x", 65)), kind: secrets.Refused, text: "GenericAPIError)"},
		{name: "proxy's error page", raw: answer(502, "<html>Bad Gateway</html>"), kind: secrets.Unavailable},
		{name: "proxy's empty answer", raw: answer(503, ""), kind: secrets.Unavailable},
		{name: "proxy's throttling", raw: answer(429, ""), kind: secrets.Throttled},
		{name: "redirect", raw: answer(307, ""), kind: secrets.Unavailable},
		{name: "proxy's refusal", raw: answer(403, ""), kind: secrets.Refused},
		{name: "broken connection", raw: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, kind: secrets.Unavailable},
		{name: "answer cut off", raw: answer(200, `{"SecretString":"{`), kind: secrets.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sb, client := start(t)
			sb.Secrets.Put(secretID, `{"client_id":"id","client_secret":"s"}`)
			if tt.fault != nil {
				sb.Secrets.Fail(*tt.fault, -1)
			} else {
				sb.Secrets.Respond(func(w http.ResponseWriter, r *http.Request) bool { tt.raw(w, r); return true })
			}
			_, err := secrets.NewStore(client, secretID, nil).Get(t.Context())
			wantKind(t, err, tt.kind)
			if text := err.Error(); !strings.HasPrefix(text, "reading the secret: "+string(tt.kind)+": ") ||
				!strings.HasSuffix(text, tt.text) || strings.Contains(text, "words of the service") || strings.Contains(text, "4711") {
				t.Errorf("got %q", text)
			}
		})
	}
	t.Run("no such secret", func(t *testing.T) {
		_, client := start(t)
		_, err := secrets.NewStore(client, "other", nil).Get(t.Context())
		wantKind(t, err, secrets.NotFound)
	})
	t.Run("binary", func(t *testing.T) {
		sb, client := start(t)
		sb.Secrets.PutBinary(secretID, []byte(`{"client_id":"id","client_secret":"s"}`))
		_, err := secrets.NewStore(client, secretID, nil).Get(t.Context())
		wantKind(t, err, secrets.Binary)
	})
	t.Run("unreachable", func(t *testing.T) {
		sb, client := start(t)
		if err := sb.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := secrets.NewStore(client, secretID, nil).Get(t.Context())
		wantKind(t, err, secrets.Unavailable)
		if !strings.HasSuffix(err.Error(), ": connection refused") {
			t.Errorf("got %q", err)
		}
	})
	t.Run("out of time", func(t *testing.T) {
		_, client := start(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := secrets.NewStore(client, secretID, nil).Get(ctx)
		wantKind(t, err, secrets.Unavailable)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the cause is lost: %v", err)
		}
	})
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// Only the store's own trouble is an outage.
func TestOutage(t *testing.T) {
	outages := []secrets.Kind{secrets.Throttled, secrets.Unavailable}
	for _, kind := range []secrets.Kind{
		secrets.Malformed, secrets.MissingKey, secrets.EmptyKey, secrets.Binary, secrets.AccessDenied, secrets.NotFound,
		secrets.DecryptionFailed, secrets.Refused, secrets.Throttled, secrets.Unavailable,
	} {
		if got := (&secrets.Error{Kind: kind}).Outage(); got != slices.Contains(outages, kind) {
			t.Errorf("%q: %v", kind, got)
		}
	}
}

// api is the SDK client's one call as a function.
type api func(context.Context) (*secretsmanager.GetSecretValueOutput, error)

func (f api) GetSecretValue(ctx context.Context, _ *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	return f(ctx)
}

func text(s string) *secretsmanager.GetSecretValueOutput {
	return &secretsmanager.GetSecretValueOutput{SecretString: aws.String(s), VersionId: aws.String("v1")}
}
