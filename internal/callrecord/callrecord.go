// Package callrecord carries what one invocation's log line tells of the token path
// from where it happens (package token) to where it is logged (package handler),
// so that the two need not know each other.
package callrecord

import (
	"context"
	"sync"
	"time"
)

// Outcome is how an invocation came by its token.
type Outcome string

// The outcomes.
const (
	// Hit is a token that was there and stayed.
	Hit Outcome = "hit"
	// SoftRefresh is a hit during which this invocation fetched the next token.
	SoftRefresh Outcome = "soft_refresh"
	// Mint is a token that this invocation fetched before its call.
	Mint Outcome = "mint"
	// Wait is a token that another invocation was fetching already.
	Wait Outcome = "wait"
	// Repair is a token fetched after the upstream rejected the first one.
	Repair Outcome = "repair"
)

// Record belongs to one invocation. Its fields are written by the goroutine
// that runs the invocation's round trips and read after they have returned.
type Record struct {
	Token          Outcome
	TokenTime      time.Duration // spent waiting for a token
	RefreshErr     error         // why a soft refresh brought no token
	UpstreamStatus int           // of the last answer, 0 if none came
	UpstreamCalls  int
	// Sent is set once a connection took the call: from then on the upstream
	// may have received it.
	Sent bool
	// Tasks are the ids of the tasks that were submitted. They may be logged:
	// only who may call the upstream can do anything with them.
	Tasks []string
	// Submissions and Polls count the calls of both kinds that went upstream.
	Submissions, Polls int
	// UpstreamTime is what those calls took, a token's included; of calls beside
	// one another it is the sum.
	UpstreamTime time.Duration
	// WaitErr is why tasks were not waited for to their end. They are not lost, so
	// it is no failure of the invocation's. Its text is safe to log.
	WaitErr error

	// Batch is the id of the one that the request is about. It may be logged: only its
	// caller can do anything with it.
	Batch string
	// UploadBytes counts what the uploads have that the request named.
	UploadBytes int64
	// LedgerErr is why an Idempotency-Key's record could not be written once there
	// was something to write. Its text is safe to log.
	LedgerErr error

	joining sync.Mutex // guards all of them while forks join
}

type key struct{}

// With returns a context that carries a new Record, and the Record.
func With(ctx context.Context) (context.Context, *Record) {
	r := new(Record)
	return context.WithValue(ctx, key{}, r), r
}

// From returns the Record that ctx carries, or one that nobody reads.
func From(ctx context.Context) *Record {
	if r, ok := ctx.Value(key{}).(*Record); ok {
		return r
	}
	return new(Record)
}
