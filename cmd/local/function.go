package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"omr-relay/internal/budget"
	"omr-relay/internal/lambdaruntime"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

const (
	invocationTime = budget.Function

	functionARN = "arn:aws:lambda:us-east-1:123456789012:function:omr-relay"
)

// function is the relay as Lambda would run it, and the account of what it
// does. It is safe for concurrent use.
type function struct {
	handler server
	tell    *narrator
	causes  *causes // nil: nobody asks why
	sample  bool    // a stand-in is the upstream
	close   func()

	allowOrigin string // whose pages may call the relay; empty is none
	bucketURL   string // of the stand-in S3, where that is the bucket
	maxUpload   int64  // that it takes
}

// server answers an event, whole or in whatever way it is set to.
type server interface {
	Invoke(ctx context.Context, event []byte) ([]byte, error)
	Respond(ctx context.Context, event []byte) (lambdaruntime.Response, error)
}

// invoke passes one event to the handler and narrates it.
func (f *function) invoke(ctx context.Context, event []byte) ([]byte, error) {
	ctx, id, cancel := f.begin(ctx, event)
	defer cancel()
	start := time.Now()
	response, err := f.handler.Invoke(ctx, event)
	f.tell.answer(response, err, f.cause(id), time.Since(start))
	return response, err
}

// respond is invoke with an answer that may be streamed: then it goes to what open
// returns, and nothing is returned.
func (f *function) respond(ctx context.Context, event []byte, open opener) ([]byte, error) {
	ctx, id, cancel := f.begin(ctx, event)
	defer cancel()
	start := time.Now()
	response, err := f.handler.Respond(ctx, event)
	if err != nil {
		f.tell.answer(nil, err, f.cause(id), time.Since(start))
		return nil, err
	}
	whole, ok := response.Whole()
	if ok {
		whole = bytes.Clone(whole)
		response.Done(nil)
		f.tell.answer(whole, nil, f.cause(id), time.Since(start))
		return whole, nil
	}
	stream := &streamed{open: open}
	if _, err = response.WriteTo(stream); err == nil && stream.status == 0 {
		err = errNoHead
	}
	response.Done(err)
	f.tell.streamed(stream, err, f.cause(id), time.Since(start))
	return nil, err
}

// begin gives an invocation a request id of its own and its deadline.
func (f *function) begin(ctx context.Context, event []byte) (_ context.Context, id string, _ context.CancelFunc) {
	f.tell.event(event)
	id = newUUID()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: id, InvokedFunctionArn: functionARN})
	ctx, cancel := context.WithTimeout(ctx, invocationTime)
	return ctx, id, cancel
}

// cause is why the invocation failed, as the log has it, or "".
func (f *function) cause(id string) string {
	if f.causes == nil {
		return ""
	}
	return f.causes.take(id)
}

// newUUID returns a random (version 4) UUID.
func newUUID() string {
	var id [16]byte
	rand.Read(id[:])
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
