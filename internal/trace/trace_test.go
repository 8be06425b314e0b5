package trace_test

import (
	"context"
	"testing"

	"omr-relay/internal/trace"
)

func TestRecordTravelsWithTheContext(t *testing.T) {
	ctx, record := trace.With(t.Context())
	child, cancel := context.WithCancel(ctx)
	defer cancel()
	trace.From(child).Token = trace.Mint
	if record.Token != trace.Mint {
		t.Error("what was written under a derived context is lost")
	}
	if _, other := trace.With(ctx); other == record || other.Token != "" {
		t.Error("two invocations share a record")
	}
}

// A context without a record takes notes that nobody reads, and that no two
// callers share.
func TestContextWithoutARecord(t *testing.T) {
	one := trace.From(t.Context())
	one.UpstreamCalls++
	if other := trace.From(t.Context()); other == one || other.UpstreamCalls != 0 {
		t.Error("two callers without a record share one")
	}
}
