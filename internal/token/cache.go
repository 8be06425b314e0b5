package token

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"omr-relay/internal/budget"
	"omr-relay/internal/callrecord"
	"omr-relay/internal/problem"
)

// minGain is the least that a refresh must add to the expiry. An endpoint that
// hands out its current token again adds nothing but the rounding of expires_in.
const minGain = 2 * time.Second

// Config is what a Cache needs.
type Config struct {
	Source    Source
	Endpoint  *url.URL          // of the token service
	Transport http.RoundTripper // without authorization; nil is http.DefaultTransport

	// Lead draws, once for each Cache, the share of a token's lifetime before its end
	// at which a refresh is due; nil draws between 15 and 25 %. Draw draws from [0, 1)
	// how far a retry strays from its time; nil is math/rand's. Both are for who needs
	// the same run twice, as package fleet does, whose figures chose these defaults.
	Lead, Draw func() float64
}

// Cache holds one token for all invocations of an environment. It starts no
// goroutine of its own accord and keeps no context: each mint runs within the
// invocation that needed it. A Cache is safe for concurrent use.
type Cache struct {
	// current is written under mu and read by anyone: a call whose token is
	// neither due nor rejected takes no lock.
	current atomic.Pointer[Token]

	mu     sync.Mutex // guards what follows; never held over a call
	flight *flight
	before *Token // the last that was current, whatever became of it

	// rejected is the token that the upstream rejected, as long as it is current:
	// any other one replaces it, however short-lived.
	rejected *Token

	refreshPause pause // after a refresh that failed or brought nothing
	stuck        bool  // the last refresh did not extend the expiry
	repairPause  pause // after a repair whose token the upstream rejected as well

	minter minter // belongs to the running flight
}

// flight is one mint on behalf of all who wait for it.
type flight struct {
	reason callrecord.Reason
	done   chan struct{} // closed when what follows is set
	// abandoned says that the flight ended because its leader's time did,
	// which tells the waiters nothing: one of them leads the next.
	abandoned bool
	token     *Token
	err       error
	did       callrecord.Minting // for the record of the invocation that led it
}

// NewCache returns an empty Cache. It makes no call.
func NewCache(cfg Config) *Cache {
	transport := cfg.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	lead, draw := cfg.Lead, cfg.Draw
	if lead == nil {
		lead = leadOfEnvironment
	}
	if draw == nil {
		draw = rand.Float64
	}
	return &Cache{minter: minter{
		source:    cfg.Source,
		exchanger: exchanger{endpoint: cfg.Endpoint, transport: transport, draw: draw},
		lead:      lead(),
	}}
}

// leadOfEnvironment is between 15 and 25 %: environments that started together do not
// refresh together.
func leadOfEnvironment() float64 {
	return 0.15 + 0.1*rand.Float64() //nolint:gosec // spreads load; nobody gains by guessing it
}

// Token returns a token that is valid now. When there is none it mints one, or
// waits for the mint that is under way; either ends with ctx at the latest.
// Every error is a [*problem.Error]. One that is there costs neither a lock nor an
// allocation.
func (c *Cache) Token(ctx context.Context) (*Token, callrecord.Outcome, error) {
	if token := c.current.Load(); token.validAt(wallNow()) {
		return token, callrecord.Hit, nil
	}
	return c.wait(ctx, callrecord.Expired, func(t *Token) bool { return t.validAt(wallNow()) })
}

// wait returns the current token as soon as it is enough, leading or joining
// mints until then. Those that it leads are for that reason.
func (c *Cache) wait(ctx context.Context, reason callrecord.Reason, enough func(*Token) bool) (*Token, callrecord.Outcome, error) {
	outcome := callrecord.Hit
	for {
		c.mu.Lock()
		if token := c.current.Load(); enough(token) {
			c.mu.Unlock()
			return token, outcome, nil
		}
		f := c.flight
		if f == nil {
			f = c.beginLocked(reason)
			c.mu.Unlock()
			c.lead(ctx, f)
			callrecord.From(ctx).Minting.Add(f.did)
			return f.token, callrecord.Mint, f.err
		}
		c.mu.Unlock()
		outcome = callrecord.Wait
		select {
		case <-f.done:
			if !f.abandoned {
				return f.token, outcome, f.err
			}
		case <-ctx.Done():
			return nil, outcome, &problem.Error{Code: problem.TokenUnavailable, Detail: detailToken, RetryAfter: shortly,
				Reason: "waiting for another invocation's token", Err: ctx.Err()}
		}
	}
}

func (c *Cache) beginLocked(reason callrecord.Reason) *flight {
	if c.before == nil {
		reason = callrecord.ColdStart
	}
	c.flight = &flight{reason: reason, done: make(chan struct{})}
	return c.flight
}

// lead runs the mint that f stands for, within ctx.
func (c *Cache) lead(ctx context.Context, f *flight) {
	defer func() {
		// A refresh runs in a goroutine of its own, where nobody else could
		// recover; and nobody who waits may hang.
		if cause := recover(); cause != nil {
			f.token, f.err = nil, problem.Panicked(cause)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.flight = nil
		f.did = c.minter.did
		f.abandoned = f.err != nil && ctx.Err() != nil
		switch {
		case f.err == nil:
			f.did.Mints, f.did.Reason = 1, f.reason
		case f.abandoned && f.reason == callrecord.Refresh:
			// Its second was over, and the token that is there goes on: no failure of the endpoint's.
		default:
			f.did.MintFailures = 1
		}
		c.storeLocked(f.token, f.err)
		close(f.done)
	}()
	f.token, f.err = c.minter.mint(ctx)
}

// storeLocked takes the result of a mint.
func (c *Cache) storeLocked(fresh *Token, err error) {
	now, old := wallNow(), c.current.Load()
	replaces := fresh != nil && (!old.validAt(now) || old == c.rejected)
	if replaces || fresh != nil && !fresh.expiry.Before(old.expiry) {
		fresh.follows(c.before)
		c.current.Store(fresh)
		c.before = fresh
	}
	if replaces || fresh != nil && fresh.expiry.Sub(old.expiry) >= minGain {
		c.refreshPause, c.stuck = pause{}, false
		return
	}
	c.stuck = err == nil
	if old == nil {
		return
	}
	first := min(max(old.expiry.Sub(old.soft)/8, time.Second), time.Minute)
	c.refreshPause = c.refreshPause.doubled(first, 5*time.Minute)
	if err != nil {
		c.refreshPause.length = max(c.refreshPause.length, problem.From(err).RetryAfter)
	}
}

// replacement returns another token than the rejected one, minting it if need be.
// Until it is there the rejected one stays current: the upstream may have rejected
// it for this one call, and others are served by it. It blocks until ctx ends at
// the latest.
func (c *Cache) replacement(ctx context.Context, rejected *Token) (*Token, error) {
	c.mu.Lock()
	if c.current.Load() == rejected {
		c.rejected = rejected
	}
	c.mu.Unlock()
	token, _, err := c.wait(ctx, callrecord.Repaired, func(t *Token) bool { return t != rejected && t.validAt(wallNow()) })
	return token, err
}

// Ensure makes sure that the token lives for at least d from now, minting one
// if it does not, and returns how long it will. A token service whose tokens
// are shorter-lived than d is asked once, not over and over. It blocks until
// ctx ends at the latest.
func (c *Cache) Ensure(ctx context.Context, d time.Duration) (time.Duration, error) {
	token, _, err := c.wait(ctx, callrecord.Expired, func(t *Token) bool {
		now := wallNow()
		return t.validAt(now) && (t.validAt(now.Add(d)) || c.stuck && c.refreshPause.left() > 0)
	})
	if err != nil {
		return c.left(), err
	}
	return token.left(), nil
}

// left is how long the current token still lives.
func (c *Cache) left() time.Duration {
	if token := c.current.Load(); token != nil {
		return max(token.left(), 0)
	}
	return 0
}

// refresh begins a soft refresh if token is due for one and nobody else is at
// it. The mint runs beside the caller, who must call the returned function
// before its invocation ends: that waits for the mint, budget.RefreshJoin at most,
// and ends it then, and returns why it brought no token. The function is nil when
// nothing was begun.
func (c *Cache) refresh(ctx context.Context, token *Token) (join func() error) {
	if !token.softAt(wallNow()) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flight != nil || c.current.Load() != token || c.refreshPause.left() > 0 {
		return nil
	}
	f := c.beginLocked(callrecord.Refresh)
	ctx, cancel := context.WithCancel(ctx)
	go c.lead(ctx, f)
	return func() error {
		defer cancel()
		timer := time.NewTimer(budget.RefreshJoin)
		defer timer.Stop()
		select {
		case <-f.done:
		case <-timer.C:
			cancel()
			<-f.done
		}
		callrecord.From(ctx).Minting.Add(f.did)
		return f.err
	}
}

// mayRepair reports whether a rejected token is worth a mint. It is not while
// the upstream has lately rejected fresh tokens too; a newer token than the
// rejected one is always worth using.
func (c *Cache) mayRepair(rejected *Token) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current.Load() != rejected || c.repairPause.left() == 0
}

// repaired takes note of how the upstream received a token fetched for repair.
func (c *Cache) repaired(accepted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case accepted:
		c.repairPause = pause{}
	case c.repairPause.left() == 0: // else it is one of a burst, and counted
		c.repairPause = c.repairPause.doubled(time.Second, maxRetryAfter)
	}
}
