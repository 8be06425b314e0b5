package callrecord_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"omr-relay/internal/callrecord"
)

// Calls beside one another write to records of their own, and all are in the
// invocation's in the end.
func TestForksJoin(t *testing.T) {
	ctx, whole := callrecord.With(t.Context())
	refreshErr := errors.New("none")
	var calls sync.WaitGroup
	for i, outcome := range []callrecord.Outcome{callrecord.Wait, callrecord.Repair, callrecord.Hit} {
		calls.Go(func() {
			forked, own, join := callrecord.Fork(ctx)
			defer join()
			if callrecord.From(forked) != own {
				t.Error("the call sees another record")
			}
			own.Token, own.TokenTime, own.Sent = outcome, time.Duration(i)*time.Second, i == 1
			own.UpstreamCalls, own.UpstreamStatus, own.Rejected, own.Repairs = 2, 200, 1, 1
			own.UsedToken(time.Duration(3-i) * time.Minute)
			own.Billable, own.Polls, own.Tasks = 1, 1, []string{string(outcome)}
			own.Mints, own.Reason, own.MintFailures, own.CredentialsRejected, own.SecretReads = i%2, callrecord.Repaired, 1, 1, 1
			if i == 2 {
				own.RefreshErr = refreshErr
			}
		})
	}
	calls.Wait()
	slices.Sort(whole.Tasks)
	if whole.Token != callrecord.Repair || whole.TokenTime != 2*time.Second || !whole.Sent || whole.UpstreamCalls != 6 ||
		whole.UpstreamStatus != 200 || whole.Billable != 3 || whole.Polls != 3 || whole.Rejected != 3 || whole.Repairs != 3 || whole.TokenLeft != time.Minute ||
		whole.Minting != (callrecord.Minting{Mints: 1, Reason: callrecord.Repaired, MintFailures: 3, CredentialsRejected: 3, SecretReads: 3}) ||
		!errors.Is(whole.RefreshErr, refreshErr) || !slices.Equal(whole.Tasks, []string{"hit", "repair", "wait"}) {
		t.Errorf("record %+v", whole)
	}
	_, _, join := callrecord.Fork(ctx)
	join()
	if whole.Token != callrecord.Repair || whole.UpstreamStatus != 200 {
		t.Errorf("a call that did nothing changed %+v", whole)
	}
}
