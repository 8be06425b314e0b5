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
	close   func()
}

// server answers an event, whole or in whatever way it is set to.
type server interface {
	Invoke(ctx context.Context, event []byte) ([]byte, error)
	Respond(ctx context.Context, event []byte) (lambdaruntime.Response, error)
}

// invoke passes one event to the handler and narrates it.
func (f *function) invoke(ctx context.Context, event []byte) ([]byte, error) {
	ctx, cancel := f.begin(ctx, event)
	defer cancel()
	start := time.Now()
	response, err := f.handler.Invoke(ctx, event)
	f.tell.answer(response, err, time.Since(start))
	return response, err
}

// respond is invoke with an answer that may be streamed: then it goes to what open
// returns, and nothing is returned.
func (f *function) respond(ctx context.Context, event []byte, open opener) ([]byte, error) {
	ctx, cancel := f.begin(ctx, event)
	defer cancel()
	start := time.Now()
	response, err := f.handler.Respond(ctx, event)
	if err != nil {
		f.tell.answer(nil, err, time.Since(start))
		return nil, err
	}
	whole, ok := response.Whole()
	if ok {
		whole = bytes.Clone(whole)
		f.tell.answer(whole, nil, time.Since(start))
	} else {
		stream := &streamed{open: open}
		if _, err = response.WriteTo(stream); err == nil && stream.status == 0 {
			err = errNoHead
		}
		f.tell.streamed(stream, err, time.Since(start))
	}
	response.Done(err)
	return whole, err
}

// begin gives an invocation a request id of its own and its deadline.
func (f *function) begin(ctx context.Context, event []byte) (context.Context, context.CancelFunc) {
	f.tell.event(event)
	return context.WithTimeout(lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{
		AwsRequestID:       newUUID(),
		InvokedFunctionArn: functionARN,
	}), invocationTime)
}

// newUUID returns a random (version 4) UUID.
func newUUID() string {
	var id [16]byte
	rand.Read(id[:])
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
