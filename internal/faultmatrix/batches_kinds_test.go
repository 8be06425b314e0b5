package faultmatrix

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"omr-relay/internal/app"
)

// statesFault is one of Step Functions' own errors.
func statesFault(status int, code string) *fault {
	return &fault{name: fmt.Sprintf("%d %#q", status, code), over: anyHTTP1, at: app.HopMachine, serve: statesError(status, code)}
}

// statesError says what it was sent.
func statesError(status int, code string) func(exchange) {
	return func(x exchange) {
		text, _ := json.Marshal(map[string]string{"__type": "com.amazonaws.swf.service.v2.model#" + code, "message": x.service.babble})
		x.send(status, "application/x-amz-json-1.0", text)
	}
}

// The faults of Step Functions that are others' as well.
var (
	sfnRefused    = overHTTP1(&refused)
	sfnResetEarly = overHTTP1(&resetEarly)
	sfnResetMid   = overHTTP1(&resetMid)
	sfnSilent     = overHTTP1(&blackHole)
	sfnLate       = overHTTP1(&slowFirst)
	sfnTrickles   = &fault{name: slowDrip.name, over: anyHTTP1, hangs: true, serve: trickleStates}
	sfnNoTLS      = overHTTP1(&tlsSilent)
	sfnAlert      = overHTTP1(&tlsFailure)
	sfnExpired    = overHTTP1(&tlsExpired)
	sfnElsewhere  = overHTTP1(&redirect)
	sfnEmpty      = overHTTP1(&empty)
	sfnNothing    = &fault{name: "empty object", over: anyHTTP1, serve: func(x exchange) { x.send(200, "application/x-amz-json-1.0", []byte("{}")) }}
	sfnPage       = overHTTP1(&page)
	sfnTruncated  = overHTTP1(&truncated)
	sfnNotHTTP    = overHTTP1(&notHTTP)
	sfnBadHeader  = overHTTP1(&badHeader)
	sfnSwitches   = overHTTP1(&switching)
	sfnMislabels  = overHTTP1(&mislabelled)
	sfnCoded      = overHTTP1(&coded)
	sfnSurplus    = overHTTP1(&surplus)
	sfnLarge      = overHTTP1(&oversized)
)

// The faults of Step Functions alone.
var (
	sfnDenied    = statesFault(400, "AccessDeniedException")
	sfnNoMachine = statesFault(400, "StateMachineDoesNotExist")
	sfnThrottled = statesFault(400, "ThrottlingException")
	sfnFailed    = statesFault(500, "InternalFailure")
	sfnGone      = statesFault(400, "ExecutionDoesNotExist")
	sfnThere     = statesFault(400, "ExecutionAlreadyExists")

	sfnLost     = &fault{name: "done, and its answer lost", over: anyHTTP1, serve: func(x exchange) { x.good(); x.connection.reset() }}
	sfnDone500  = &fault{name: "done, and answered 500", over: anyHTTP1, serve: func(x exchange) { x.good(); statesError(500, "InternalFailure")(x) }}
	sfnAnother  = &fault{name: "another execution's answer", over: anyHTTP1, serve: anotherExecution}
	sfnLostOnce = once(sfnLost)
)

// trickleStates never comes to the answer, which may be so short that it would be
// there in time.
func trickleStates(x exchange) {
	good := x.good()
	good.body = []byte(" ")
	x.drip(good, 1<<20)
}

// anotherExecution has the right answer of what was not asked for.
func anotherExecution(x exchange) {
	good := x.good()
	x.sendLike(good, []byte(strings.ReplaceAll(string(good.body), ":execution:omr-relay-sandbox:", ":execution:omr-relay-sandbox:x")))
}

// ask is one of the requests to Step Functions that requests for batches make.
type ask string

const (
	knownAsk   ask = "POST: is there one"
	runningAsk ask = "POST: does another run"
	startAsk   ask = "POST: the start"
	stateAsk   ask = "GET: how it is"
	countsAsk  ask = "GET: how far it is"
	stopAsk    ask = "DELETE: the stop"
)

var asks = []ask{knownAsk, runningAsk, startAsk, stateAsk, countsAsk, stopAsk}

// method is that of the request in which it is asked, operation what is asked.
func (a ask) method() string {
	method, _, _ := strings.Cut(string(a), ":")
	return method
}

func (a ask) operation() string {
	return map[ask]string{
		knownAsk: "DescribeExecution", runningAsk: "ListExecutions", startAsk: "StartExecution",
		stateAsk: "DescribeExecution", countsAsk: "DescribeMapRun", stopAsk: "StopExecution",
	}[a]
}

// isOf reports whether a request of the SDK's is that one.
func (a ask) isOf(r *http.Request) bool {
	return strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+a.operation())
}
