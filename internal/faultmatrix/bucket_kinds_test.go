package faultmatrix

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"

	"omr-relay/internal/app"
)

// once is a fault of the first request that meets it. The SDK, or the relay, tries
// again.
func once(f *fault) *fault {
	first := *f
	first.name, first.times = f.name+", once", 1
	return &first
}

// s3Fault is one of S3's own errors, for which it speaks HTTP/1.1.
func s3Fault(status int, code string) *fault {
	return &fault{name: fmt.Sprintf("%d %#q", status, code), over: anyHTTP1, at: app.HopBucket, serve: s3Error(status, code)}
}

// s3Error says what it was sent, as S3 says what it signed.
func s3Error(status int, code string) func(exchange) {
	return func(x exchange) {
		var said strings.Builder
		_ = xml.EscapeText(&said, []byte(x.service.babble))
		x.send(status, "application/xml", fmt.Appendf(nil, "<Error><Code>%s</Code><Message>%s</Message><StringToSign>%[2]s</StringToSign></Error>", code, said.String()))
	}
}

var anyHTTP1 = []protocol{http1, https1}

// overHTTP1 is a fault of other services, for S3.
func overHTTP1(f *fault) *fault {
	same := *f
	if same.over = anyHTTP1; f.connect != nil {
		same.over = []protocol{https1}
	} else if f.refuses {
		same.over = plain
	}
	return &same
}

// The faults of S3 that are others' as well.
var (
	s3Refused    = overHTTP1(&refused)
	s3ResetEarly = overHTTP1(&resetEarly)
	s3ResetMid   = overHTTP1(&resetMid)
	s3Silent     = overHTTP1(&blackHole)
	s3Late       = overHTTP1(&slowFirst)
	s3Trickles   = &fault{name: slowDrip.name, over: anyHTTP1, hangs: true, serve: trickleS3}
	s3NoTLS      = overHTTP1(&tlsSilent)
	s3Alert      = overHTTP1(&tlsFailure)
	s3Expired    = overHTTP1(&tlsExpired)
	s3Elsewhere  = overHTTP1(&redirect)
	s3Empty      = overHTTP1(&empty)
	s3Page       = overHTTP1(&page)
	s3NotHTTP    = overHTTP1(&notHTTP)
	s3BadHeader  = overHTTP1(&badHeader)
	s3Switches   = overHTTP1(&switching)
	s3Mislabels  = overHTTP1(&mislabelled)
	s3Coded      = overHTTP1(&coded)
	s3Surplus    = overHTTP1(&surplus)
	s3Short      = &fault{name: "answer that ends too soon, and says so", over: anyHTTP1, serve: truncate}
	s3Large      = &fault{name: oversized.name, over: anyHTTP1, serve: swell}
)

// The faults of S3 alone.
var (
	s3Denied   = s3Fault(403, "AccessDenied")
	s3NoBucket = s3Fault(404, "NoSuchBucket")
	s3Gone     = s3Fault(404, "NoSuchKey")
	s3Conflict = s3Fault(409, "ConditionalRequestConflict")
	s3Changed  = s3Fault(412, "PreconditionFailed")
	s3Failed   = s3Fault(500, "InternalError")
	s3Slow     = s3Fault(503, "SlowDown")

	s3NoPage     = &fault{name: "404 with a web page", over: anyHTTP1, serve: func(x exchange) { x.send(404, "text/html", x.babble()) }}
	s3Moved      = &fault{name: "301 to another host", over: anyHTTP1, serve: moveAway}
	s3WriteLost  = &fault{name: "write done, and its answer lost", over: anyHTTP1, serve: func(x exchange) { x.good(); x.connection.reset() }}
	s3WriteFails = &fault{name: "write done, and answered 500", over: anyHTTP1, serve: func(x exchange) { x.good(); s3Error(500, "InternalError")(x) }}
	s3Other      = &fault{name: "another file, in spite of `If-Match`", over: anyHTTP1, serve: substitute}
	s3Whole      = &fault{name: "reset in the middle, then the whole where the rest is asked for", over: anyHTTP1, serve: resumeWhole}
	s3ChangedMid = &fault{name: "reset in the middle, then 412", over: anyHTTP1, serve: resumeChanged}
)

func moveAway(x exchange) {
	x.Header().Set("Location", x.service.elsewhere+x.request.URL.RequestURI())
	s3Error(301, "PermanentRedirect")(x)
}

// substitute has another file in the place of the one that was asked for.
func substitute(x exchange) {
	good := x.good()
	good.header.Set("ETag", `"00000000000000000000000000000000"`)
	x.sendLike(good, bytes.Repeat([]byte("x"), len(good.body)))
}

// resumeWhole and resumeChanged break off, and then fail whoever asks for the rest.
func resumeWhole(x exchange) {
	good := x.good()
	if x.request.Header.Get("Range") == "" {
		x.service.note(good.body)
		breakOff(x)
		return
	}
	good.status = http.StatusOK
	good.header.Del("Content-Range")
	x.sendLike(good, x.service.lastAnswer())
}

func resumeChanged(x exchange) {
	if x.request.Header.Get("Range") == "" {
		breakOff(x)
		return
	}
	s3Error(412, "PreconditionFailed")(x)
}

// trickleS3 has the right length, of a file or a record; a write's answer has none.
func trickleS3(x exchange) {
	good := x.good()
	length := len(good.body)
	if length == 0 {
		length = 1 << 20
	}
	x.drip(good, length)
}

// swell is an answer of 8 MB that begins like the right one.
func swell(x exchange) {
	good := x.good()
	x.sendLike(good, append(good.body, make([]byte, 8<<20)...))
}

// step is one of the requests to S3 that a request with an upload and an
// Idempotency-Key makes, in this order.
type step string

const (
	intent  step = "the intent"
	finding step = "finding the upload"
	reading step = "its bytes"
	storing step = "the task"
	// recorded is of the same request, when it comes again.
	recorded step = "the same again: the record"
)

var steps = []step{intent, finding, reading, storing, recorded}

// stepOf tells them by what they ask for.
func stepOf(r *http.Request) step {
	match := r.Header.Get("If-Match") != ""
	switch {
	case r.Method == http.MethodPut && match:
		return storing
	case r.Method == http.MethodPut:
		return intent
	case strings.Contains(r.URL.Path, "/idempotency/"):
		return recorded
	case match:
		return reading
	default:
		return finding
	}
}

func (s step) writes() bool { return s == intent || s == storing }
