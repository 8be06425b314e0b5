package metric

import (
	"log/slog"
	"time"

	"omr-relay/internal/callrecord"
)

// Invocation adds what the invocation's token and its calls came to: what of it there
// was, and nothing else.
func (l *Line) Invocation(record *callrecord.Record) {
	if record.Token != "" {
		l.Text("token", string(record.Token))
		l.Millis("token_ms", record.TokenTime)
	}
	if record.TokenLeft > 0 {
		l.Count(TokenLifetimeLeft, int64(record.TokenLeft/time.Second))
	}
	l.CountIfAny(Repairs, record.Repairs)
	l.Minting(record.Minting)
	if record.UpstreamCalls > 0 {
		l.Count(UpstreamCalls, int64(record.UpstreamCalls))
		l.CountIfAny(BillableCalls, record.Billable)
		l.CountIfAny(Polls, record.Polls)
		l.Time(UpstreamTime, record.UpstreamTime())
	}
	// The ids are there whatever has become of the answer: a submitted task is paid for.
	if len(record.Tasks) > 0 {
		l.Add(slog.Any("tasks", record.Tasks))
	}
}

// Minting adds what was done for tokens.
func (l *Line) Minting(m callrecord.Minting) {
	l.CountIfAny(Mints, m.Mints, string(m.Reason))
	l.CountIfAny(MintFailures, m.MintFailures)
	l.CountIfAny(CredentialsRejected, m.CredentialsRejected)
	l.CountIfAny(SecretReads, m.SecretReads)
}
