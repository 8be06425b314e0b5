package recognize

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"omr-relay/handler/input"
	"omr-relay/internal/budget"
)

// limits are until when one request may go on.
type limits struct {
	// submit is when the last of several scans may be submitted, and poll when
	// waiting ends, whatever the caller prefers.
	submit, poll time.Time
	// applied is the wait that the caller preferred, in seconds; -1 if none.
	applied int
	// resubmitted says that what may have been submitted before was, again.
	resubmitted bool
}

func newLimits(ctx context.Context, h http.Header) limits {
	now := time.Now()
	end, ok := ctx.Deadline()
	if !ok {
		end = now.Add(budget.Undeadlined)
	}
	quarter := end.Sub(now) / 4
	l := limits{
		submit:  end.Add(-min(budget.Submission, quarter)),
		poll:    end.Add(-min(budget.LastPoll, quarter)),
		applied: -1,
	}
	if wait, ok := preferredWait(h); ok {
		wait = min(wait, max(l.poll.Sub(now), 0).Truncate(time.Second))
		l.poll, l.applied = now.Add(wait), int(wait/time.Second)
	}
	return l
}

// preferredWait reads Prefer (RFC 7240): wait=N seconds, and respond-async for
// no wait where no other is given. What cannot be read is no preference.
func preferredWait(h http.Header) (wait time.Duration, ok bool) {
	for preference := range strings.SplitSeq(strings.Join(h.Values("Prefer"), ","), ",") {
		preference, _, _ = strings.Cut(preference, ";")
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		if seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31); err == nil {
			return time.Duration(seconds) * time.Second, true
		}
	}
	return 0, input.Prefers(h, "respond-async")
}

// declare says which preference was followed.
func (l limits) declare(h http.Header) {
	var applied []string
	if l.resubmitted {
		applied = append(applied, "resubmit")
	}
	if l.applied >= 0 {
		applied = append(applied, "wait="+strconv.Itoa(l.applied))
	}
	if applied != nil {
		h.Set("Preference-Applied", strings.Join(applied, ", "))
	}
}
