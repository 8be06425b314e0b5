package faultmatrix

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// chaos is three services that fail at random, as a seed has it: an upstream
// call by its id, the other two by their turn.
type chaos struct {
	seed  uint64
	world *world

	mu      sync.Mutex // guards what follows
	turns   [2]uint64  // of the secret and the token service
	seen    map[string]int
	posted  map[string][16]string // the latest POSTs of each caller, in turn
	doubled []string              // POSTs that were processed more than once
	serving string                // the token of late
	since   time.Time             // when it was first seen
	faults  int
}

func newChaos(seed uint64) *chaos {
	c := &chaos{seed: seed, world: newWorld(), seen: map[string]int{}, posted: map[string][16]string{}}
	c.world.lives(1)
	return c
}

// What may befall a request, one time in that many.
var (
	upstreamFaults = of(quickFaults, quickFaults, quickFaults, quickFaults, group{&blackHole}) // which takes a while
	quickFaults    = group{&resetEarly, &resetMid, &tooMany, &tooManyAfter, &status500, &status503, &empty, &truncated, &page, &redirect}
	servantFaults  = group{&resetEarly, &resetMid, &tooMany, &status500, &status503, &empty, &truncated, &page}
)

const (
	upstreamOdds = 25
	servantOdds  = 6
	// revocation is how long a token serves. None is ended before it has served, not
	// even one that is on its way while another is ended: the relay rightly gives up
	// on a call whose second token is rejected too, and holds further repairs back.
	revocation = 700 * time.Millisecond
)

// plan is what befalls the call of that id, nil for nothing. Whoever knows the
// seed knows the plan.
func (c *chaos) plan(id string) *fault {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return draw(c.seed, h.Sum64(), upstreamOdds, upstreamFaults)
}

func draw(seed, n uint64, odds int, of group) *fault {
	r := rand.New(rand.NewPCG(seed, n))
	if r.IntN(odds) != 0 {
		return nil
	}
	return of[r.IntN(len(of))]
}

// serveServant answers for Secrets Manager or the token endpoint.
func (c *chaos) serveServant(which int) func(exchange) {
	return func(x exchange) {
		c.mu.Lock()
		c.turns[which]++
		f := draw(c.seed+uint64(which)+1, c.turns[which], servantOdds, servantFaults)
		c.count(f)
		c.mu.Unlock()
		if f != nil {
			f.serve(x)
			return
		}
		x.service.clean(x.ResponseWriter, x.request)
	}
}

// serveUpstream answers for the upstream. A fault happens once: a call that
// comes again is answered.
func (c *chaos) serveUpstream(x exchange) {
	id := x.request.URL.Query().Get("id")
	if !c.authorized(x.request) {
		x.WriteHeader(http.StatusUnauthorized)
		return
	}
	worker, number, _ := strings.Cut(id, "-")
	n, _ := strconv.Atoi(number)
	c.mu.Lock()
	var f *fault
	if c.seen[worker] != n {
		f = c.plan(id)
		c.count(f)
	}
	c.seen[worker] = n
	if x.request.Method == http.MethodPost {
		latest := c.posted[worker]
		if slices.Contains(latest[:], id) {
			c.doubled = append(c.doubled, id)
		}
		latest[n/3%len(latest)] = id // every third call is a POST
		c.posted[worker] = latest
	}
	c.mu.Unlock()
	if f != nil {
		f.serve(x)
		return
	}
	x.service.clean(x.ResponseWriter, x.request)
}

// count runs under c.mu.
func (c *chaos) count(f *fault) {
	if f != nil {
		c.faults++
	}
}

// authorized reports whether the token is good, and ends one that has served for
// a while.
func (c *chaos) authorized(r *http.Request) bool {
	if !c.world.accepts(r) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if token := r.Header.Get("Authorization"); token != c.serving {
		c.serving, c.since = token, time.Now()
	}
	if time.Since(c.since) < revocation {
		return true
	}
	c.world.end(r)
	return false
}

// echo is the upstream past authorization. That is judged once, for a token may
// be revoked at any moment.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(echoed(r.Method, r.URL.Query().Get("id")))
}

// allowed reports whether outcome may come of a call, given its plan.
func (c *chaos) allowed(kind, id, outcome string, p protocol) bool {
	f := c.plan(id)
	switch {
	case outcome == "503 token_unavailable", outcome == "503 credentials_unavailable":
		return true // no token was to be had
	case outcome == "502 upstream_rejected_token":
		return true // revoked twice
	case outcome == "502 upstream_unreachable" && p == http2:
		return true // another call's reset took the connection
	case f == nil:
		return outcome == "200"
	case outcome == "200" && kind != http.MethodPost && f == &resetEarly:
		return true // on a kept connection, and so repeated
	case outcome == "200" && kind != http.MethodPost && p == http2:
		return true // the like, for a connection that another call lost
	}
	r, ok := find(hops[2], first, f, p)
	return ok && outcome == r.of(kind).outcome
}

func (c *chaos) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%d faults, %d token requests, %d reads of the secret", c.faults, c.turns[1], c.turns[0])
}
