package secrets_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"omr-relay/internal/sandbox"
	"omr-relay/secrets"
)

func TestLastGoodCredentialsServeThroughAnOutage(t *testing.T) {
	for name, outage := range map[string]func(*sandbox.Sandbox){
		"throttled":    func(sb *sandbox.Sandbox) { sb.Secrets.Fail(sandbox.Throttled, -1) },
		"server error": func(sb *sandbox.Sandbox) { sb.Secrets.Fail(sandbox.SecretsServiceError, -1) },
		"unreachable":  func(sb *sandbox.Sandbox) { _ = sb.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			sb, client := start(t)
			var log bytes.Buffer
			s := secrets.NewStore(client, secretID, slog.New(slog.NewTextHandler(&log, nil)))
			version := sb.Secrets.Put(secretID, `{"client_id":"id","client_secret":"last-good"}`)
			wantCredentials(t, s, "id", "last-good", version)
			if log.Len() != 0 {
				t.Errorf("logged %s", &log)
			}
			outage(sb)
			wantCredentials(t, s, "id", "last-good", version)
			wantCredentials(t, s, "id", "last-good", version)
			lines := strings.Split(strings.TrimSpace(log.String()), "\n")
			if len(lines) != 2 {
				t.Fatalf("logged %q, want a line for each", lines)
			}
			for _, line := range lines {
				if !strings.Contains(line, "level=WARN") || !strings.Contains(line, "reason=\"reading the secret: Secrets Manager ") ||
					!strings.Contains(line, "secret_version="+version) || strings.Contains(line, "last-good\"") {
					t.Errorf("logged %s", line)
				}
			}
		})
	}
}

// What an operator has done is not an outage: the old credentials may have
// been taken away for a reason.
func TestLastGoodCredentialsDoNotServeBeyondAnOutage(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*sandbox.Sandbox)
		kind secrets.Kind
	}{
		{"access denied", func(sb *sandbox.Sandbox) { sb.Secrets.Fail(sandbox.AccessDenied, -1) }, secrets.AccessDenied},
		{"not found", func(sb *sandbox.Sandbox) { sb.Secrets.Fail(sandbox.SecretNotFound, -1) }, secrets.NotFound},
		{"deleted", func(sb *sandbox.Sandbox) { sb.Secrets.Fail(sandbox.MarkedForDeletion, -1) }, secrets.Deleted},
		{"KMS", func(sb *sandbox.Sandbox) { sb.Secrets.Fail(sandbox.DecryptionFailed, -1) }, secrets.DecryptionFailed},
		{"malformed", func(sb *sandbox.Sandbox) { sb.Secrets.Put(secretID, "{") }, secrets.Malformed},
		{"key missing", func(sb *sandbox.Sandbox) { sb.Secrets.Put(secretID, "{}") }, secrets.MissingKey},
		{"binary", func(sb *sandbox.Sandbox) { sb.Secrets.PutBinary(secretID, []byte("x")) }, secrets.Binary},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sb, client := start(t)
			s := secrets.NewStore(client, secretID, nil)
			version := sb.Secrets.Put(secretID, `{"client_id":"id","client_secret":"s"}`)
			wantCredentials(t, s, "id", "s", version)
			tt.do(sb)
			got, err := s.Get(t.Context())
			wantKind(t, err, tt.kind)
			if got.Version != "" || got.ClientSecret.Reveal() != "" {
				t.Error("got credentials all the same")
			}
			// They are not forgotten either.
			sb.Secrets.Fail(sandbox.Throttled, -1)
			wantCredentials(t, s, "id", "s", version)
		})
	}
}

func TestFirstGetHasNothingToFallBackTo(t *testing.T) {
	sb, client := start(t)
	sb.Secrets.Fail(sandbox.Throttled, -1)
	_, err := secrets.NewStore(client, secretID, nil).Get(t.Context())
	wantKind(t, err, secrets.Throttled)
}

// With older credentials at hand a silent store is given up early; without, it
// is worth all of the caller's time.
func TestOutageBudget(t *testing.T) {
	for _, tt := range []struct {
		name     string
		deadline time.Duration // 0 is none
		fallback bool
		took     time.Duration
		served   bool
	}{
		{"no fallback", 7 * time.Second, false, 7 * time.Second, false},
		{"fallback, no deadline", 0, true, 600 * time.Millisecond, true},
		{"fallback, late deadline", 29 * time.Second, true, 600 * time.Millisecond, true},
		{"fallback, near deadline", 1200 * time.Millisecond, true, 400 * time.Millisecond, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				silent := false
				s := secrets.NewStore(api(func(ctx context.Context) (*secretsmanager.GetSecretValueOutput, error) {
					if silent {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					return text(`{"client_id":"i","client_secret":"s"}`), nil
				}), secretID, nil)
				if tt.fallback {
					wantCredentials(t, s, "i", "s", "v1")
				}
				silent = true
				ctx := t.Context()
				if tt.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.deadline)
					defer cancel()
				}
				began := time.Now()
				c, err := s.Get(ctx)
				if took := time.Since(began); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if tt.served && (err != nil || c.ClientSecret.Reveal() != "s") {
					t.Errorf("not served: %v", err)
				}
				if !tt.served {
					wantKind(t, err, secrets.Unavailable)
				}
			})
		})
	}
}

// A caller that has left is not served: its invocation is over.
func TestCallerThatLeftGetsNoFallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := secrets.NewStore(api(func(ctx context.Context) (*secretsmanager.GetSecretValueOutput, error) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			return text(`{"client_id":"i","client_secret":"s"}`), nil
		}), secretID, nil)
		wantCredentials(t, s, "i", "s", "v1")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Get(ctx)
		wantKind(t, err, secrets.Unavailable)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}
