// Package secrets reads the Client ID and Client Secret from AWS Secrets Manager.
package secrets

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"omr-relay/internal/budget"
)

// API is the one call that a Store makes; [secretsmanager.Client] has it.
type API interface {
	// GetSecretValue blocks for the network, until ctx ends at the latest.
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// Store reads one secret. It keeps no cache: credentials are needed once per
// token, about once an hour, so every Get asks for AWSCURRENT and a rotation
// is seen by the next one. A Store is safe for concurrent use.
type Store struct {
	api  API
	id   string
	log  *slog.Logger
	last atomic.Pointer[Credentials]
}

// NewStore returns a Store of the secret with that name or ARN. log is told
// when old credentials serve through an outage; nil is silent.
func NewStore(api API, id string, log *slog.Logger) *Store {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Store{api: api, id: id, log: log}
}

// Get reads the current version of the secret, blocking until ctx ends at the
// latest. While Secrets Manager is out of reach or throttles, it returns the
// last good credentials if there are any. Every error is an [*Error].
func (s *Store) Get(ctx context.Context) (Credentials, error) {
	last := s.last.Load()
	current, err := s.read(ctx, last != nil)
	if err == nil {
		s.last.Store(&current)
		return current, nil
	}
	if failure, ok := errors.AsType[*Error](err); ok && last != nil && failure.Outage() && ctx.Err() == nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "the last good credentials serve through an outage of Secrets Manager",
			slog.String("reason", failure.Error()), slog.String("secret_version", last.Version))
		return *last, nil
	}
	return Credentials{}, err
}

func (s *Store) read(ctx context.Context, fallback bool) (Credentials, error) {
	if fallback {
		patience := budget.SecretFallback
		if deadline, ok := ctx.Deadline(); ok {
			patience = min(patience, time.Until(deadline)/3)
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	out, err := s.api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{
		SecretId: &s.id,
		// The service's default, and named all the same: moto answers with the
		// version stored last when the stage has been moved back.
		VersionStage: new("AWSCURRENT"),
	})
	if err != nil {
		return Credentials{}, classify(err)
	}
	if out.SecretString == nil {
		if len(out.SecretBinary) > 0 {
			return Credentials{}, &Error{Kind: Binary}
		}
		// Secrets Manager gives one or the other: something else answered.
		return Credentials{}, &Error{Kind: Unavailable}
	}
	var version string
	if out.VersionId != nil {
		version = *out.VersionId
	}
	return parse(*out.SecretString, version)
}
