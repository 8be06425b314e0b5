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
// Those that may have been are submitted again where the caller prefers that, those
// that certainly were not in any case.
func begin(ctx context.Context, ledger *idempotency.Ledger, req *gateway.Request, in *scans) (*submission, error) {
	s := &submission{tasks: newTasks(in), records: noRecorder{}}
	if ledger == nil {
		return s, nil
	}
	key, err := input.IdempotencyKey(req.Header)
	if err != nil || key == "" {
		return s, err
	}
	resubmit := input.Prefers(req.Header, "resubmit")
	entry, err := ledger.Begin(ctx, idempotency.Request{
		Caller: req.Caller.Digest(), Key: key, Fingerprint: in.fingerprint(), Until: lastMoment(ctx), Resubmit: resubmit,
		Open: func(id string) (claim string, open bool) {
			tasks, format, err := tasksOf(id)
			if err != nil {
				return id, false
			}
			for _, t := range tasks {
				t.earlier = !t.open(resubmit)
				open = open || !t.earlier
			}
			return identify(storedOf(tasks), format), open
		},
	})
	if err != nil {
		return nil, err
	}
	s.known, s.resubmitted = entry.Known(), entry.Resubmitted
	if entry.Task != "" {
		if s.tasks, err = in.known(entry.Task); err != nil {
			return nil, err
		}
		s.resubmitted = false // unless one of them is
		for _, t := range s.tasks {
			t.earlier = !t.open(resubmit)
			s.resubmitted = s.resubmitted || !s.known && !t.earlier && t.reason == submissionUnknown
		}
	}
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

	mu      sync.Mutex // guards what follows
	stored  []*task    // ids, and reasons why there are none
	changed bool       // since they were written
	writing chan struct{}
}

// storedOf begins with what nobody knows of: each may be received at any time.
func storedOf(tasks []*task) []*task {
	stored := make([]*task, len(tasks))
	for i, t := range tasks {
		stored[i] = &task{id: t.id, reason: t.reason}
		if !t.earlier {
			stored[i].reason = submissionUnknown
		}
	}
	return stored
}

// submitted has the task stored beside the submissions that follow: they do not wait
// for S3. A task alone is settled as soon.
func (l *ledgerRecorder) submitted(ctx context.Context, number int, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stored[number], l.changed = &task{id: id}, true
	if l.writing == nil && len(l.stored) > 1 {
		l.writing = make(chan struct{})
		go l.write(ctx, l.writing)
	}
}

// write stores what has changed until nothing has.
func (l *ledgerRecorder) write(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	for {
		l.mu.Lock()
		if !l.changed {
			l.writing = nil
			l.mu.Unlock()
			return
		}
		l.changed = false
		id := identify(l.stored, l.format)
		l.mu.Unlock()
		_ = l.entry.Submitting(ctx, id) // what counts is whether the end is stored
	}
}

// written returns when nothing is being written any more: when ctx ends at the latest.
func (l *ledgerRecorder) written() {
	l.mu.Lock()
	writing := l.writing
	l.mu.Unlock()
	if writing != nil {
		<-writing
	}
}

func (l *ledgerRecorder) settled(ctx context.Context, tasks []*task) {
	l.written()
	switch {
	case submitted(tasks):
		l.end(ctx, func(ctx context.Context) error { return l.entry.Submitted(ctx, identify(tasks, l.format)) })
	case mayHaveBeen(tasks):
		l.end(ctx, l.entry.Unknown)
	default:
		l.abandoned(ctx)
	}
}

func (l *ledgerRecorder) abandoned(ctx context.Context) { l.end(ctx, l.entry.NotSubmitted) }

// end stores how the request has ended, also where its time is over: else it would
// count as one that broke off.
func (l *ledgerRecorder) end(ctx context.Context, store func(context.Context) error) {
	last, cancel := context.WithDeadline(context.WithoutCancel(ctx), lastMoment(ctx).Add(budget.RecordReserve-budget.AnswerReserve))
	defer cancel()
	callrecord.From(ctx).LedgerErr = store(last)
}
