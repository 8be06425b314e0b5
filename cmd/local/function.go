package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"time"

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
	handler server
	tell    *narrator
	close   func()
}

// server serves an event, and returns the answer or writes it to stream.
type server interface {
	Serve(ctx context.Context, event, dst []byte, stream io.Writer) ([]byte, error)
}

// invoke passes one event to the handler, under a request id of its own and
// the invocation's deadline, and narrates it. An answer that the handler streams
// goes to what open returns; without open it streams none.
func (f *function) invoke(ctx context.Context, event []byte, open opener) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, invocationTime)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{
		AwsRequestID:       newUUID(),
		InvokedFunctionArn: functionARN,
	})
	f.tell.event(event)
	start := time.Now()
	stream := &streamed{open: open}
	var to io.Writer // nil: the handler streams nothing
	if open != nil {
		to = stream
	}
	response, err := f.handler.Serve(ctx, event, nil, to)
	if stream.status == 0 {
		f.tell.answer(response, err, time.Since(start))
	} else {
		f.tell.streamed(stream, err, time.Since(start))
	}
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
