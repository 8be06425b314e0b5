package batch

import (
	"context"
	"errors"
	"time"

	"omr-relay/internal/batch/layout"
	"omr-relay/internal/document"
)

// preflight finds out what would be wrong with every sheet, once.
func (r *Runner) preflight(ctx context.Context, in Input) (*Output, error) {
	pattern, err := r.givenPattern(ctx, in)
	if err != nil {
		return nil, err
	}
	if !document.IsPattern(pattern.data) {
		return nil, fault(PatternMissing, layout.Pattern+" is no recognition pattern, which is the .omr file that was generated with the form")
	}
	if _, err := r.order(ctx, in.Prefix); err != nil {
		return nil, err
	}
	alone, err := r.Map.Alone(ctx, in.Execution)
	if err != nil {
		return nil, unavailable("asking which batches run", err)
	}
	if !alone {
		return nil, fault(AnotherBatchRuns, "another batch of this stack runs: the upstream's limits are the account's")
	}
	if _, err := r.Tokens.Ensure(ctx, time.Minute); err != nil {
		if rejected(err) {
			return nil, &Fault{Name: CredentialsRejected, Detail: "the secret's credentials are of no use", Err: err}
		}
		return nil, unavailable("fetching a token", err)
	}
	return &Output{State: Done}, nil
}

// rejected reports whether nobody would get a token before a person has mended the
// secret.
func rejected(err error) bool {
	if e, ok := errors.AsType[interface {
		error
		Rejected() bool
	}](err); ok {
		return e.Rejected()
	}
	e, ok := errors.AsType[interface {
		error
		Outage() bool
	}](err)
	return ok && !e.Outage()
}
