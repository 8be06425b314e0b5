package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

const (
	// invocationTime is what an invocation gets, a little less than API
	// Gateway waits for an answer.
	invocationTime = 25 * time.Second

	functionARN = "arn:aws:lambda:us-east-1:123456789012:function:omr-relay"
)

// function is the relay as Lambda would run it, and the account of what it
// does. It is safe for concurrent use.
type function struct {
	handler lambda.Handler
	tell    *narrator
	close   func()
}

// invoke passes one event to the handler, under a request id of its own and
// the invocation's deadline, and narrates it.
func (f *function) invoke(ctx context.Context, event []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, invocationTime)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{
		AwsRequestID:       newUUID(),
		InvokedFunctionArn: functionARN,
	})
	f.tell.event(event)
	start := time.Now()
	response, err := f.handler.Invoke(ctx, event)
	f.tell.answer(response, err, time.Since(start))
	return response, err
}

// newUUID returns a random (version 4) UUID.
func newUUID() string {
	var id [16]byte
	rand.Read(id[:])
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
