package fleet

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"omr-relay/internal/budget"
	"omr-relay/internal/callrecord"
	"omr-relay/internal/token"
	"omr-relay/secrets"
)

// environment is an execution environment with the relay's own token path in it:
// nothing of that is a model.
type environment struct {
	world   *world
	lane    int
	version int // of the deployment that it belongs to
	cache   *token.Cache
	relay   *token.Transport
	// Both draw for one goroutine at a time: a mint runs beside a call.
	minting, calling *rand.Rand

	born      time.Time
	idleLimit time.Duration // how long Lambda keeps it without a call
	lifeLimit time.Duration // how long in all

	lastCall time.Time // when it was frozen
	lastSent time.Time // when its connection to the upstream was last used

	serving atomic.Bool
	inside  atomic.Int32 // requests that its servers are at
}

// Lambda documents neither limit. People who measured found most environments kept for 45
// to 60 minutes without a call, and some for far less.
const (
	shortestIdle, longestIdle = 10 * time.Minute, 90 * time.Minute
	shortestLife, longestLife = 2 * time.Hour, 4 * time.Hour
)

func (w *world) newEnvironment(lane int) *environment {
	w.started++
	seed := uint64(w.started)
	e := &environment{
		world: w, lane: lane, version: w.version, born: time.Now(),
		minting: rand.New(rand.NewPCG(w.seed, 2*seed)),
		calling: rand.New(rand.NewPCG(w.seed, 2*seed+1)),
	}
	e.idleLimit = between(e.calling, shortestIdle, longestIdle)
	e.lifeLimit = between(e.calling, shortestLife, longestLife)
	var source token.Source = secrets.NewStore(secretAPI{e}, "omr", nil)
	if w.broken.source != nil {
		source = w.broken.source(source)
	}
	var upstream http.RoundTripper = roundTripper(e.upstream)
	if w.broken.transport != nil {
		upstream = w.broken.transport(e, upstream)
	}
	e.cache = token.NewCache(token.Config{
		Source: source, Endpoint: w.endpoint, Transport: roundTripper(e.tokenEndpoint),
		Lead: func() float64 { return w.variant.lead(e.minting) },
		Draw: func() float64 { return w.variant.draw(e.minting) },
	})
	e.relay = &token.Transport{Base: upstream, Cache: e.cache}
	return e
}

// start is init: the first token is fetched as the function does it.
func (e *environment) start(ctx context.Context) {
	e.wait(ctx, between(e.calling, 60*time.Millisecond, 150*time.Millisecond))
	e.world.watch.cold()
	ctx, cancel := context.WithTimeout(ctx, budget.Prefetch)
	defer cancel()
	_, _ = e.cache.Ensure(ctx, 0) // the first call tries again
}

// gone reports whether Lambda has taken the environment away by now.
func (e *environment) gone(now time.Time) bool {
	return now.Sub(e.lastCall) > e.idleLimit || now.Sub(e.born) > e.lifeLimit
}

// wait lets time pass, until ctx ends at the latest. It ends at an instant at which no
// other environment ever acts: what happens at once would happen in any order.
func (e *environment) wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(toLane(time.Since(e.world.midnight)+d, e.lane) - time.Since(e.world.midnight))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// enter is called by whatever the environment asks; leave when that has answered.
func (e *environment) enter() (leave func()) {
	if e.inside.Add(1); !e.serving.Load() {
		e.world.watch.violated(frozenRan)
	}
	return func() { e.inside.Add(-1) }
}

// secretAPI is Secrets Manager.
type secretAPI struct{ e *environment }

func (a secretAPI) GetSecretValue(ctx context.Context, _ *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	defer a.e.enter()()
	if !a.e.wait(ctx, between(a.e.minting, 8*time.Millisecond, 40*time.Millisecond)) {
		return nil, ctx.Err()
	}
	id, key, _ := strings.Cut(a.e.world.stored(), ":")
	text, err := json.Marshal(map[string]string{"client_id": id, "client_secret": key})
	if err != nil {
		return nil, err
	}
	return &secretsmanager.GetSecretValueOutput{SecretString: new(string(text)), VersionId: new(id)}, nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// tokenEndpoint is the network between the environment and the service.
func (e *environment) tokenEndpoint(req *http.Request) (*http.Response, error) {
	defer e.enter()()
	if err := req.ParseForm(); err != nil {
		return nil, err
	}
	ctx, service := req.Context(), e.world.service
	if !e.wait(ctx, between(e.minting, 40*time.Millisecond, 120*time.Millisecond)) {
		return nil, ctx.Err()
	}
	e.world.watch.asked()
	switch service.failing() {
	case resetting:
		return nil, io.ErrUnexpectedEOF
	case hanging:
		<-ctx.Done()
		return nil, ctx.Err()
	}
	got := service.exchange(req.PostForm.Get("client_id") + ":" + req.PostForm.Get("client_secret"))
	e.world.watch.answered(got)
	if !e.wait(ctx, between(e.minting, 10*time.Millisecond, 30*time.Millisecond)) {
		return nil, ctx.Err()
	}
	resp := answer(req, got.status, got.body)
	if got.retryAfter > 0 {
		resp.Header.Set("Retry-After", strconv.Itoa(int((got.retryAfter+time.Second-1)/time.Second)))
	}
	return resp, nil
}

// upstream is Aspose, and the network before it.
func (e *environment) upstream(req *http.Request) (*http.Response, error) {
	defer e.enter()()
	ctx, w := req.Context(), e.world
	if time.Since(e.lastSent) > budget.Idle {
		if !e.wait(ctx, between(e.calling, 40*time.Millisecond, 90*time.Millisecond)) { // a new connection
			return nil, ctx.Err()
		}
	}
	if trace := httptrace.ContextClientTrace(ctx); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	bearer := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	if bearer != "" && w.service.expired(bearer) {
		w.watch.violated(expiredSent)
	}
	if !e.wait(ctx, between(e.calling, 10*time.Millisecond, 30*time.Millisecond)) {
		return nil, ctx.Err()
	}
	e.lastSent = time.Now()
	if !w.service.accepts(bearer) {
		return answer(req, http.StatusUnauthorized, ""), nil
	}
	takes := between(e.calling, 200*time.Millisecond, 600*time.Millisecond)
	if req.Method == http.MethodPost { // with a scan
		takes = between(e.calling, time.Second, 3*time.Second)
	}
	if !e.wait(ctx, takes) {
		return nil, ctx.Err()
	}
	e.lastSent = time.Now()
	if req.Method == http.MethodPost {
		w.watch.processed(req.Header.Get("X-Call"))
		if e.calling.IntN(2000) == 0 { // it was processed, and the answer was lost
			return nil, io.ErrUnexpectedEOF
		}
	}
	return answer(req, http.StatusOK, "6f1d2c3e"), nil
}

func answer(req *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: req}
}

// send makes one of an invocation's calls through the relay.
func (e *environment) send(ctx context.Context, method, call string) error {
	ctx, record := callrecord.With(ctx)
	req := (&http.Request{Method: method, URL: e.world.base, Header: http.Header{"X-Call": {call}}}).WithContext(ctx)
	resp, err := e.relay.RoundTrip(req)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	e.world.watch.sent(record)
	return err
}
