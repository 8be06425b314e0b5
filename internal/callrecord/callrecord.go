// Package callrecord carries what one invocation's log line tells of the token path
// from where it happens (package token) to where it is logged (package handler),
// so that the two need not know each other.
//
// Each file uses those below it:
//
//	fork.go        calls beside one another
//	callrecord.go  Record
//	minting.go     what was done to have a token
//	stopwatch.go   the time during which at least one call was under way
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
	Token     Outcome
	TokenTime time.Duration // spent waiting for a token
	// TokenLeft is how long the token that was used still lived, 0 if none was used.
	// Of several the one that had the least counts.
	TokenLeft  time.Duration
	RefreshErr error // why a soft refresh brought no token
	Minting

	UpstreamStatus int // of the last answer, 0 if none came
	UpstreamCalls  int // that a connection took
	Rejected       int // of them: answered with 401
	Repairs        int // calls that were sent again after a 401
	// Sent is set once a connection took the call: from then on the upstream
	// may have received it.
	Sent bool
	// Tasks are the ids of the tasks that were submitted. They may be logged:
	// only who may call the upstream can do anything with them.
	Tasks []string
	// Billable counts the calls that make work for the upstream and are paid for,
	// Polls those that ask for a result.
	Billable, Polls int
	// Waited is how long nothing was done, on purpose: between polls.
	Waited time.Duration
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

	joining sync.Mutex // guards all of the above while forks join

	upstream stopwatch
	whole    *Record // whose stopwatch counts, if this is a fork
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
