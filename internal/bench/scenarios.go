package main

import "time"

// measure is something that is measured of a program.
type measure string

const (
	cpuPerCall   measure = "CPU per call"
	latency      measure = "latency p50"
	peakMemory   measure = "peak memory"
	cpuToPoll    measure = "CPU to first poll"
	timeToPoll   measure = "exec to first poll"
	cpuToAnswer  measure = "CPU to first answer"
	timeToAnswer measure = "exec to first answer"
	tokens       measure = "tokens minted"
)

// measures are all of them in the report's order.
var measures = []measure{cpuToPoll, timeToPoll, cpuToAnswer, timeToAnswer, cpuPerCall, latency, peakMemory, tokens}

// goal is what the relay should reach.
type goal struct {
	ratio float64 // to the typed handler, at most; 0 is none
	most  float64 // in the measure's own unit; 0 is none
}

// plan is how often a scenario is repeated. Memory has one value per epoch,
// everything else one per round.
type plan struct {
	epochs int // times that the programs are started afresh
	rounds int // per epoch
	calls  int // per round and program; executions, for cold starts
	warmUp int // calls before the first round
}

func (p plan) shortened() plan {
	return plan{epochs: 1, rounds: min(p.rounds, 3), calls: max(1, p.calls/2), warmUp: p.warmUp}
}

// scenario is one thing to measure.
type scenario struct {
	name, title string
	call        func(fixture []byte) (call, error)
	protocol    protocol
	plan        plan
	env         []string      // of the programs, besides the usual
	cold        bool          // processes from exec to first answer
	far         time.Duration // that upstream and secret are away, over HTTP/2
	share       float64       // of one CPU that programs may use; 0 is as much as they like
	countTokens bool          // nothing but
	goals       map[measure]goal
}

// The calls. A photograph of 2.9 MB and a pattern make a body of 4.4 MB, and so
// does a file of 3.3 MB in base64.
var (
	bigJSON     = submit(2_900_000, 400_000)
	bigBase64   = upload(3_300_000)
	bigResponse = download(750_000)
	small       = submit(1_000, 400)
)

var (
	bigPlan      = plan{epochs: 3, rounds: 5, calls: 6, warmUp: 3}
	responsePlan = plan{epochs: 3, rounds: 5, calls: 20, warmUp: 10}
	smallPlan    = plan{epochs: 3, rounds: 7, calls: 300, warmUp: 200}
	coldPlan     = plan{epochs: 1, rounds: 7, calls: 10}
)

func ratios(cpu, wait, memory float64) map[measure]goal {
	return map[measure]goal{cpuPerCall: {ratio: cpu}, latency: {ratio: wait}, peakMemory: {ratio: memory}}
}

var coldGoals = map[measure]goal{cpuToAnswer: {ratio: 0.70}, timeToAnswer: {ratio: 0.70}}

// scenarios begin with what is deployed; HTTP without TLS is for comparing with
// the floor, and for the goals that are about our own code.
var scenarios = []scenario{
	{name: "json-tls2", title: "4.4 MB JSON body, " + string(tls2), call: bigJSON, protocol: tls2, plan: bigPlan, goals: ratios(0.10, 0.14, 0)},
	{name: "json-tls1", title: "4.4 MB JSON body, " + string(tls11), call: bigJSON, protocol: tls11, plan: bigPlan},
	{name: "base64-tls2", title: "4.4 MB base64 event, " + string(tls2), call: bigBase64, protocol: tls2, plan: bigPlan},
	{name: "response-tls2", title: "1 MB response, " + string(tls2), call: bigResponse, protocol: tls2, plan: responsePlan},
	{name: "small-tls2", title: "2 KB call, " + string(tls2), call: small, protocol: tls2, plan: smallPlan, goals: ratios(0.55, 0, 0)},
	{name: "small-tls1", title: "2 KB call, " + string(tls11), call: small, protocol: tls11, plan: smallPlan},
	{name: "cold-tls2", title: "cold start, " + string(tls2), call: small, protocol: tls2, plan: coldPlan, cold: true, goals: coldGoals},
	{name: "cold-far", title: "cold start, " + string(tls2) + ", secret and upstream 40 ms away", call: small, protocol: tls2, far: 40 * time.Millisecond,
		plan: plan{epochs: 1, rounds: 5, calls: 4}, cold: true},
	{name: "cold-tls1", title: "cold start, " + string(tls11), call: small, protocol: tls11, plan: coldPlan, cold: true},

	{name: "json", title: "4.4 MB JSON body", call: bigJSON, plan: bigPlan, goals: ratios(0.07, 0.09, 0.32)},
	{name: "base64", title: "4.4 MB base64 event", call: bigBase64, plan: bigPlan, goals: ratios(0.08, 0.09, 0.32)},
	{name: "response", title: "1 MB response", call: bigResponse, plan: responsePlan, goals: ratios(0.20, 0, 0)},
	{name: "streamed", title: "1 MB response, streamed by the relay", call: bigResponse, env: []string{"OMR_STREAMING=true"}, plan: responsePlan},
	{name: "small", title: "2 KB call", call: small, plan: smallPlan, goals: ratios(0.60, 0, 0)},
	{name: "cold", title: "cold start", call: small, plan: coldPlan, cold: true},
	{name: "tokens", title: "1,000 calls", call: small, plan: plan{epochs: 1, rounds: 1, calls: 1000}, countTokens: true,
		goals: map[measure]goal{tokens: {most: 1}}},
	{name: "json-quota", title: "4.4 MB JSON body at 7 % of a CPU", call: bigJSON, share: shareOf(128),
		plan: plan{epochs: 1, rounds: 4, calls: 3, warmUp: 1}, goals: map[measure]goal{latency: {most: 0.100}}},
}

func names(all []scenario) []string {
	out := make([]string, len(all))
	for i := range all {
		out[i] = all[i].name
	}
	return out
}
