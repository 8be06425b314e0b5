package callrecord_test

import (
	"context"
	"testing"

	"omr-relay/internal/callrecord"
)

func TestRecordTravelsWithTheContext(t *testing.T) {
	ctx, record := callrecord.With(t.Context())
	child, cancel := context.WithCancel(ctx)
	defer cancel()
	callrecord.From(child).Token = callrecord.Mint
	if record.Token != callrecord.Mint {
		t.Error("what was written under a derived context is lost")
	}
	if _, other := callrecord.With(ctx); other == record || other.Token != "" {
		t.Error("two invocations share a record")
	}
}

// A context without a record takes notes that nobody reads, and that no two
// callers share.
func TestContextWithoutARecord(t *testing.T) {
	one := callrecord.From(t.Context())
	one.UpstreamCalls++
	if other := callrecord.From(t.Context()); other == one || other.UpstreamCalls != 0 {
		t.Error("two callers without a record share one")
	}
}
