package main

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/lambdaruntime"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// handle is a server made of a function.
type handle func(context.Context, []byte) ([]byte, error)

func (f handle) Invoke(ctx context.Context, event []byte) ([]byte, error) { return f(ctx, event) }

func (f handle) Respond(context.Context, []byte) (lambdaruntime.Response, error) {
	return nil, errors.New("not asked for")
}

func TestEachInvocationHasAnIDAndADeadlineOfItsOwn(t *testing.T) {
	uuid4 := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	synctest.Test(t, func(t *testing.T) {
		seen := map[string]bool{}
		fn := &function{tell: newNarrator(&bytes.Buffer{}, false), handler: handle(func(ctx context.Context, event []byte) ([]byte, error) {
			lc, ok := lambdacontext.FromContext(ctx)
			if !ok || !uuid4.MatchString(lc.AwsRequestID) || lc.InvokedFunctionArn == "" {
				t.Fatalf("Lambda context %+v", lc)
			}
			seen[lc.AwsRequestID] = true
			if deadline, _ := ctx.Deadline(); time.Until(deadline) != invocationTime {
				t.Errorf("%v to go, want %v", time.Until(deadline), invocationTime)
			}
			return event, nil
		})}
		for range 3 {
			if response, err := fn.invoke(t.Context(), []byte("{}")); err != nil || string(response) != "{}" {
				t.Errorf("%q and %v", response, err)
			}
			<-time.After(time.Second) // the next deadline is another
		}
		if len(seen) != 3 {
			t.Errorf("%d request ids for 3 invocations", len(seen))
		}
	})
}
