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
	first    bool           // of this environment
	event    *gateway.Event // nil if it could not be decoded
	route    string
	status   int           // of the answer
	bytesOut int           // of its body
	taken    time.Duration // spent on whoever takes a streamed answer
	err      error         // why the relay itself answered, or failed
	record   *callrecord.Record
}
