package recognize

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"omr-relay/handler/gateway"
	"omr-relay/handler/input"
	"omr-relay/internal/budget"
	"omr-relay/internal/callrecord"
	"omr-relay/internal/idempotency"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
)

// submission is a request's tasks, and how far they were submitted before.
type submission struct {
	tasks   []*task
	records recorder
	// known says that they were, and that nothing is left but to wait for them.
	known bool
	// resubmitted says that those without an id may have been.
	resubmitted bool
}

// begin makes the tasks of a request. Where the request has an Idempotency-Key, the
// ledger tells which were submitted before, or that it must not be submitted now.
func begin(ctx context.Context, ledger *idempotency.Ledger, req *gateway.Request, in *scans) (*submission, error) {
	s := &submission{tasks: newTasks(in), records: noRecorder{}}
	key, err := input.IdempotencyKey(req.Header)
	if err != nil || key == "" || ledger == nil {
		return s, err
	}
	entry, err := ledger.Begin(ctx, idempotency.Request{
		Caller: req.Caller.Digest(), Key: key, Fingerprint: in.fingerprint(),
		Until: lastMoment(ctx), Resubmit: input.Prefers(req.Header, "resubmit"),
	})
	if err != nil {
		return nil, err
	}
	if entry.Task != "" {
		if s.tasks, err = in.known(entry.Task); err != nil {
			return nil, err
		}
	}
	s.known, s.resubmitted = entry.Known(), entry.Resubmitted
	s.records = &ledgerRecorder{entry: entry, stored: storedOf(s.tasks), format: in.format}
	return s, nil
}

// newTasks are those of a request, none of them submitted.
func newTasks(in *scans) []*task {
	tasks := make([]*task, len(in.images))
	for i, image := range in.images {
		tasks[i] = &task{name: image.name}
	}
	return tasks
}

// lastMoment is when the invocation at hand has ended, whatever became of it.
func lastMoment(ctx context.Context) time.Time {
	if end, ok := ctx.Deadline(); ok {
		return end.Add(budget.AnswerReserve)
	}
	return time.Now().Add(budget.Undeadlined)
}

// fingerprint is of what the request asks for, and not of its bytes: a form that is
// sent again has another boundary.
func (s *scans) fingerprint() (sum [sha256.Size]byte) {
	h := sha256.New()
	add := func(parts ...[]byte) {
		for _, part := range parts {
			_ = binary.Write(h, binary.BigEndian, int64(len(part))) // a hash takes everything
			_, _ = h.Write(part)
		}
	}
	for _, image := range s.images {
		add([]byte(image.name), []byte(image.upload), image.data)
	}
	add([]byte("pattern"), s.pattern.data, []byte(s.format))
	if s.threshold != nil {
		_ = binary.Write(h, binary.BigEndian, int64(*s.threshold))
	}
	h.Sum(sum[:0])
	return sum
}

// known are the tasks of an id that was stored, with the request's own names.
func (s *scans) known(id string) ([]*task, error) {
	tasks, _, err := tasksOf(id)
	if err != nil || len(tasks) != len(s.images) {
		return nil, &problem.Error{Code: problem.Internal, Reason: "the record of an Idempotency-Key has another number of tasks"}
	}
	for i, t := range tasks {
		t.name = s.images[i].name
	}
	return tasks, nil
}

// ledgerRecorder stores it under the request's key. That it cannot is for the log:
// the tasks are there.
type ledgerRecorder struct {
	entry  *idempotency.Entry
	format omr.Format

	mu     sync.Mutex // guards what follows
	stored []*task    // ids, and reasons why there are none
}

// storedOf begins with what nobody knows of: each may be received at any time.
func storedOf(tasks []*task) []*task {
	stored := make([]*task, len(tasks))
	for i, t := range tasks {
		stored[i] = &task{id: t.id}
		if t.id == "" {
			stored[i].reason = submissionUnknown
		}
	}
	return stored
}

func (l *ledgerRecorder) submitted(ctx context.Context, number int, id string) {
	l.mu.Lock()
	l.stored[number] = &task{id: id}
	l.mu.Unlock()
	if len(l.stored) == 1 {
		return // it is settled as soon
	}
	l.failed(ctx, l.entry.Submitting(ctx, func() string {
		l.mu.Lock()
		defer l.mu.Unlock()
		return identify(l.stored, l.format)
	}))
}

func (l *ledgerRecorder) settled(ctx context.Context, tasks []*task) {
	switch {
	case submitted(tasks):
		l.failed(ctx, l.entry.Submitted(ctx, identify(tasks, l.format)))
	case mayHaveBeen(tasks):
		l.failed(ctx, l.entry.Unknown(ctx))
	default:
		l.abandoned(ctx)
	}
}

func (l *ledgerRecorder) abandoned(ctx context.Context) { l.failed(ctx, l.entry.NotSubmitted(ctx)) }

func (l *ledgerRecorder) failed(ctx context.Context, err error) {
	if err == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	callrecord.From(ctx).LedgerErr = err
}
