package handler

import (
	"time"

	"omr-relay/handler/gateway"
	"omr-relay/internal/callrecord"
)

// invocation is what is known of the one at hand; its log line is made of it.
type invocation struct {
	id       string // the Lambda request id
	began    time.Time
	event    *gateway.Event // nil if it could not be decoded
	route    string
	status   int           // of the answer
	bytesOut int           // of its body
	upstream time.Duration // spent on the upstream, waiting for a token included
	err      error         // why the relay itself answered, or failed
	record   *callrecord.Record
}
