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
			own.UpstreamCalls, own.UpstreamTime, own.UpstreamStatus = 2, time.Second, 200
			own.Submissions, own.Polls, own.Tasks = 1, 1, []string{string(outcome)}
			if i == 2 {
				own.RefreshErr = refreshErr
			}
		})
	}
	calls.Wait()
	slices.Sort(whole.Tasks)
	if whole.Token != callrecord.Repair || whole.TokenTime != 2*time.Second || !whole.Sent || whole.UpstreamCalls != 6 ||
		whole.UpstreamTime != 3*time.Second || whole.UpstreamStatus != 200 || whole.Submissions != 3 || whole.Polls != 3 ||
		!errors.Is(whole.RefreshErr, refreshErr) || !slices.Equal(whole.Tasks, []string{"hit", "repair", "wait"}) {
		t.Errorf("record %+v", whole)
	}
	_, _, join := callrecord.Fork(ctx)
	join()
	if whole.Token != callrecord.Repair || whole.UpstreamStatus != 200 {
		t.Errorf("a call that did nothing changed %+v", whole)
	}
}
