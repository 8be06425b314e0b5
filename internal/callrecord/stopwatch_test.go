package callrecord_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/callrecord"
)

// Calls beside one another take as long as the time during which one of them was
// under way, and what lies between calls does not count.
func TestUpstreamTimeIsOfAllTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, whole := callrecord.With(t.Context())
		var calls sync.WaitGroup
		for _, call := range []struct{ begins, takes time.Duration }{{0, 3 * time.Second}, {time.Second, time.Second}, {2 * time.Second, 3 * time.Second}, {7 * time.Second, 2 * time.Second}} {
			calls.Go(func() {
				forked, _, join := callrecord.Fork(ctx)
				_, own, joinOwn := callrecord.Fork(forked) // a fork's fork is the invocation's as well
				defer join()
				defer joinOwn()
				time.Sleep(call.begins)
				own.EnterUpstream()
				time.Sleep(call.takes)
				own.LeaveUpstream()
			})
		}
		time.Sleep(8 * time.Second)
		if got := whole.UpstreamTime(); got != 6*time.Second {
			t.Errorf("%v while the last call is under way", got)
		}
		calls.Wait()
		if got := whole.UpstreamTime(); got != 7*time.Second {
			t.Errorf("%v in the end", got)
		}
	})
}
