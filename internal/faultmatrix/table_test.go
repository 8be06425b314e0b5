package faultmatrix

import (
	"net/http"
	"slices"
	"testing"

	"omr-relay/internal/app"
)

// moment is what the relay knows when the fault begins.
type moment string

const (
	// first: nothing. It was started a moment ago.
	first moment = "first call"
	// later: credentials, and a token that serves for the present. A call
	// finds that the upstream has revoked it, and so needs another one, and a
	// warm-up that it ends too soon.
	later moment = "later call"
)

var moments = []moment{first, later}

// faults are all there are, in the order of docs/faults.md.
var faults = []*fault{
	&refused, &resetEarly, &resetMid, &stale, &blackHole, &slowFirst, &slowDrip, &tlsSilent, &tlsFailure, &tlsExpired,
	&goAwayUnseen, &goAwaySeen, &tooManyAfter, &tooMany, &status500, &status503, &redirect, &empty, &truncated, &page,
	&notHTTP, &badHeader, &switching, &mislabelled, &coded, &surplus, &oversized, &denied, &banned,
}

// cell is what is expected of one event.
type cell struct {
	// outcome is a status and problem code, "200" for the right answer,
	// "passed on" after the status for an answer that went through as it was,
	// or what a warm-up reports.
	outcome string
	// calls counts the requests that reached Secrets Manager, the token
	// endpoint and the upstream.
	calls [3]int
}

// row is what is expected of faults that are met alike.
type row struct {
	service app.Hop
	when    moment
	call    cell // GET, POST and DELETE
	warm    cell
	faults  []*fault
	// post differs from call where a POST must not be repeated.
	post *cell
	// over limits the row to a protocol.
	over protocol
	// tries is how often the failing service may be called at most, if that
	// is not for the relay to say: fewer calls, down to none, are as good.
	// Zero is as often as the cell has it.
	tries int
	// held: the next call is answered without a try, for as long as
	// Retry-After says.
	held bool
}

type group = []*fault

var (
	// noConnection do not get as far as a request.
	noConnection = group{&refused, &tlsSilent, &tlsFailure, &tlsExpired}
	harmless     = group{&slowFirst, &mislabelled, &coded, &surplus}
	goAways      = group{&goAwayUnseen, &goAwaySeen}
	statuses     = group{&tooManyAfter, &tooMany, &status500, &status503}
	misread      = group{&empty, &truncated, &page, &oversized}
	malformed    = group{&notHTTP, &badHeader}
	hangs        = group{&blackHole, &slowDrip}
	resets       = group{&resetEarly, &resetMid}
)

func of(groups ...group) group { return slices.Concat(groups...) }

// table is the one place that says what happens when.
var table = []row{
	// Secrets Manager. The SDK repeats what its retry rules name, twice.
	{service: app.HopSecret, when: first, faults: of(misread, group{&redirect, &switching}),
		call: cell{"503 credentials_unavailable", [3]int{1, 0, 0}}, warm: cell{"not warm, credentials_unavailable", [3]int{1, 0, 1}}},
	// Whether a read that ran into the deadline was the first or a repeated one
	// is the SDK's affair.
	{service: app.HopSecret, when: first, faults: hangs, tries: 3,
		call: cell{"503 credentials_unavailable", [3]int{1, 0, 0}}, warm: cell{"not warm, credentials_unavailable", [3]int{1, 0, 1}}},
	// In HTTP/2 a reset shows as one of several errors, of which the SDK repeats some.
	{service: app.HopSecret, when: first, faults: group{&resetMid}, over: http2, tries: 3,
		call: cell{"503 credentials_unavailable", [3]int{1, 0, 0}}, warm: cell{"not warm, credentials_unavailable", [3]int{1, 0, 1}}},
	{service: app.HopSecret, when: first, faults: of(resets, malformed, statuses),
		call: cell{"503 credentials_unavailable", [3]int{3, 0, 0}}, warm: cell{"not warm, credentials_unavailable", [3]int{3, 0, 1}}},
	{service: app.HopSecret, when: first, faults: noConnection,
		call: cell{"503 credentials_unavailable", [3]int{0, 0, 0}}, warm: cell{"not warm, credentials_unavailable", [3]int{0, 0, 1}}},
	{service: app.HopSecret, when: first, faults: harmless,
		call: cell{"200", [3]int{1, 1, 1}}, warm: cell{"warm", [3]int{1, 1, 1}}},
	{service: app.HopSecret, when: first, faults: goAways,
		call: cell{"200", [3]int{2, 1, 1}}, warm: cell{"warm", [3]int{2, 1, 1}}},

	// With credentials from before, no failure of Secrets Manager is noticed.
	// How often the SDK tries depends on the 600 ms that it is given; a busy
	// machine may not get as far as a request in them.
	{service: app.HopSecret, when: later, tries: 3,
		faults: of(hangs, misread, harmless, resets, malformed, group{&stale, &tooManyAfter, &tooMany, &redirect, &switching, &status500, &status503}),
		call:   cell{"200", [3]int{1, 1, 2}}, warm: cell{"warm", [3]int{1, 1, 1}}},
	{service: app.HopSecret, when: later, faults: noConnection,
		call: cell{"200", [3]int{0, 1, 2}}, warm: cell{"warm", [3]int{0, 1, 1}}},

	// The token endpoint is tried four times while there is time.
	{service: app.HopToken, when: first, faults: of(resets, statuses, misread, malformed),
		call: cell{"503 token_unavailable", [3]int{1, 4, 0}}, warm: cell{"not warm, token_unavailable", [3]int{1, 4, 1}}},
	{service: app.HopToken, when: first, faults: hangs,
		call: cell{"503 token_unavailable", [3]int{1, 1, 0}}, warm: cell{"not warm, token_unavailable", [3]int{1, 1, 1}}},
	{service: app.HopToken, when: first, faults: group{&denied}, held: true,
		call: cell{"503 token_unavailable", [3]int{2, 1, 0}}, warm: cell{"not warm, token_unavailable", [3]int{2, 1, 1}}},
	{service: app.HopToken, when: first, faults: group{&redirect, &switching, &banned}, held: true,
		call: cell{"503 token_unavailable", [3]int{1, 1, 0}}, warm: cell{"not warm, token_unavailable", [3]int{1, 1, 1}}},
	{service: app.HopToken, when: first, faults: noConnection,
		call: cell{"503 token_unavailable", [3]int{1, 0, 0}}, warm: cell{"not warm, token_unavailable", [3]int{1, 0, 1}}},
	{service: app.HopToken, when: first, faults: harmless,
		call: cell{"200", [3]int{1, 1, 1}}, warm: cell{"warm", [3]int{1, 1, 1}}},
	{service: app.HopToken, when: first, faults: goAways,
		call: cell{"200", [3]int{1, 2, 1}}, warm: cell{"warm", [3]int{1, 2, 1}}},

	// The call that found its token revoked is the one more to the upstream.
	{service: app.HopToken, when: later, faults: of(resets, statuses, misread, malformed),
		call: cell{"503 token_unavailable", [3]int{1, 4, 1}}, warm: cell{"not warm, token_unavailable", [3]int{1, 4, 1}}},
	{service: app.HopToken, when: later, faults: hangs,
		call: cell{"503 token_unavailable", [3]int{1, 1, 1}}, warm: cell{"not warm, token_unavailable", [3]int{1, 1, 1}}},
	{service: app.HopToken, when: later, faults: group{&denied}, held: true,
		call: cell{"503 token_unavailable", [3]int{2, 1, 1}}, warm: cell{"not warm, token_unavailable", [3]int{2, 1, 1}}},
	{service: app.HopToken, when: later, faults: group{&redirect, &switching, &banned}, held: true,
		call: cell{"503 token_unavailable", [3]int{1, 1, 1}}, warm: cell{"not warm, token_unavailable", [3]int{1, 1, 1}}},
	{service: app.HopToken, when: later, faults: noConnection,
		call: cell{"503 token_unavailable", [3]int{1, 0, 1}}, warm: cell{"not warm, token_unavailable", [3]int{1, 0, 1}}},
	{service: app.HopToken, when: later, faults: harmless,
		call: cell{"200", [3]int{1, 1, 2}}, warm: cell{"warm", [3]int{1, 1, 1}}},
	{service: app.HopToken, when: later, faults: group{&stale},
		call: cell{"200", [3]int{1, 2, 2}}, warm: cell{"warm", [3]int{1, 2, 1}}},

	// The upstream. A call that may have been received is not repeated, but
	// for an idempotent one on a kept connection.
	{service: app.HopUpstream, when: first, faults: noConnection,
		call: cell{"502 upstream_unreachable", [3]int{1, 1, 0}}, warm: cell{"not warm, upstream_unreachable", [3]int{1, 1, 0}}},
	{service: app.HopUpstream, when: first, faults: of(malformed, group{&resetEarly, &goAwaySeen}),
		call: cell{"502 upstream_unreachable", [3]int{1, 1, 1}}, warm: cell{"not warm, upstream_unreachable", [3]int{1, 1, 1}}},
	{service: app.HopUpstream, when: first, faults: group{&resetMid},
		call: cell{"502 upstream_unreachable", [3]int{1, 1, 1}}, warm: cell{"warm", [3]int{1, 1, 1}}},
	{service: app.HopUpstream, when: first, faults: group{&switching},
		call: cell{"502 upstream_invalid_answer", [3]int{1, 1, 1}}, warm: cell{"not warm, upstream_unreachable", [3]int{1, 1, 1}}},
	{service: app.HopUpstream, when: first, faults: group{&goAwayUnseen},
		call: cell{"200", [3]int{1, 1, 2}}, warm: cell{"warm", [3]int{1, 1, 2}}},
	{service: app.HopUpstream, when: later, faults: group{&stale},
		call: cell{"200", [3]int{0, 0, 2}}, warm: cell{"warm", [3]int{1, 1, 2}},
		post: &cell{"502 upstream_unreachable", [3]int{0, 0, 1}}},
	{service: app.HopUpstream, when: first, faults: group{&blackHole},
		call: cell{"504 upstream_timeout", [3]int{1, 1, 1}}, warm: cell{"not warm, upstream_timeout", [3]int{1, 1, 1}}},
	{service: app.HopUpstream, when: first, faults: group{&slowDrip},
		call: cell{"504 upstream_timeout", [3]int{1, 1, 1}}, warm: cell{"warm", [3]int{1, 1, 1}}},
	{service: app.HopUpstream, when: first, faults: group{&tooManyAfter, &tooMany},
		call: cell{"429 passed on", [3]int{1, 1, 1}}, warm: cell{"warm", [3]int{1, 1, 1}}},
	{service: app.HopUpstream, when: first, faults: group{&status500},
		call: cell{"500 passed on", [3]int{1, 1, 1}}, warm: cell{"warm", [3]int{1, 1, 1}}},
	{service: app.HopUpstream, when: first, faults: group{&status503},
		call: cell{"503 passed on", [3]int{1, 1, 1}}, warm: cell{"warm", [3]int{1, 1, 1}}},
	{service: app.HopUpstream, when: first, faults: group{&redirect},
		call: cell{"307 passed on", [3]int{1, 1, 1}}, warm: cell{"warm", [3]int{1, 1, 1}}},
	{service: app.HopUpstream, when: first, faults: group{&empty, &truncated, &page},
		call: cell{"200 passed on", [3]int{1, 1, 1}}, warm: cell{"warm", [3]int{1, 1, 1}}},
	{service: app.HopUpstream, when: first, faults: harmless,
		call: cell{"200", [3]int{1, 1, 1}}, warm: cell{"warm", [3]int{1, 1, 1}}},
	{service: app.HopUpstream, when: first, faults: group{&oversized},
		call: cell{"502 response_too_large", [3]int{1, 1, 1}}, warm: cell{"warm", [3]int{1, 1, 1}}},
}

// happens reports whether there is such a cell. Only a later call finds a kept
// connection; other than that, a later call to the upstream is like the first.
// Over HTTP/2 a connection does not end with an answer, as a later call needs
// it to.
func happens(hop app.Hop, when moment, f *fault, p protocol) bool {
	if f.at != "" && f.at != hop {
		return false
	}
	if f.stale || when == first {
		return f.stale == (when == later)
	}
	return hop != app.HopUpstream && p != http2
}

// find returns the row of a cell.
func find(hop app.Hop, when moment, f *fault, p protocol) (*row, bool) {
	for i := range table {
		r := &table[i]
		if r.service == hop && r.when == when && (r.over == "" || r.over == p) && slices.Contains(r.faults, f) {
			return r, true
		}
	}
	return nil, false
}

// of returns the row's cell for that event.
func (r *row) of(kind string) cell {
	switch {
	case kind == warmUp:
		return r.warm
	case kind == http.MethodPost && r.post != nil:
		return *r.post
	default:
		return r.call
	}
}

// TestTableIsWhole wants a row for every cell, and no row for anything else.
func TestTableIsWhole(t *testing.T) {
	type key struct {
		service app.Hop
		when    moment
		fault   *fault
	}
	needed := map[key]bool{}
	for _, hop := range hops {
		for _, when := range moments {
			for _, f := range faults {
				for _, p := range f.over {
					if !happens(hop, when, f, p) {
						continue
					}
					needed[key{hop, when, f}] = true
					if _, ok := find(hop, when, f, p); !ok {
						t.Errorf("%s, %s, %s over %s: no row", hop, when, f.name, p)
					}
				}
			}
		}
	}
	for i := range table {
		r := &table[i]
		for _, f := range r.faults {
			if !needed[key{r.service, r.when, f}] {
				t.Errorf("%s, %s, %s: a row for what does not happen", r.service, r.when, f.name)
			}
		}
	}
}
