package faultmatrix

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"omr-relay/internal/app"
	"omr-relay/internal/sandbox"
)

const (
	callers       = 64
	tokenLifetime = 10 * time.Minute
	wave          = 20 * time.Second
)

// TestConcurrency has 64 callers call at a time, for virtual hours, while tokens
// expire and are revoked, the secret rotates and services fail for a while.
// OMR_CONCURRENCY=8h makes it longer.
func TestConcurrency(t *testing.T) {
	lasts := duration(t, "OMR_CONCURRENCY", time.Hour)
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{t: t, box: sandbox.New(), tokens: map[string]*issued{}, upset: map[app.Hop]span{}}
		c.box.Token.SetLifetime(tokenLifetime)
		cfg := virtualConfig(t, sandbox.DefaultSecretID)
		relay := app.New(cfg, app.Options{AWS: virtualAWS(), Log: &c.out, Metrics: true, Wrap: c.wrap})
		ends := time.Now().Add(lasts)
		var running sync.WaitGroup
		for n := range callers {
			running.Go(func() { c.call(relay, n, ends) })
		}
		running.Go(func() { c.trouble(ends) })
		running.Wait()
		c.judge(lasts)
	})
}

// duration reads how long a test takes.
func duration(t *testing.T, name string, otherwise time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return d
}

// crowd is what is known of the tokens, the faults and the calls.
type crowd struct {
	t   *testing.T
	box *sandbox.Sandbox
	out output

	mu       sync.Mutex // guards what follows
	tokens   map[string]*issued
	order    []*issued
	upset    map[app.Hop]span // the last time that a service failed
	calls    int
	failed   int // calls that met a fault
	rejected int // calls that left with a token revoked moments before
	ended    int // revocations
	rotated  int
}

// issued is a token.
type issued struct {
	at      time.Time
	arrived time.Time // at the relay; zero: not yet
	revoked time.Time // zero: not
}

// span is a time in which a service fails.
type span struct{ from, to time.Time }

// wrap puts the stand-ins in place of the connections, a while away.
func (c *crowd) wrap(hop app.Hop, _ http.RoundTripper) http.RoundTripper {
	services := map[app.Hop]http.RoundTripper{
		app.HopSecret: sandbox.InProcess(c.box.Secrets), app.HopToken: sandbox.InProcess(c.box.Token),
		app.HopUpstream: sandbox.InProcess(c.box.Aspose),
	}
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		stand := services[hop]
		if hop == app.HopUpstream {
			c.leaves(req)
		}
		longest := map[app.Hop]time.Duration{
			app.HopSecret: 100 * time.Millisecond, app.HopToken: 300 * time.Millisecond, app.HopUpstream: 2 * time.Second,
		}[hop]
		if c.fails(hop) {
			stand = answering(http.StatusServiceUnavailable, http.Header{}, "{}")
		}
		resp, err := stand.RoundTrip(req) // judged as it leaves; the answer takes its time
		arrives := func() {}
		if hop == app.HopToken && err == nil && resp.StatusCode == http.StatusOK {
			arrives = c.issues(resp)
		}
		time.Sleep(rand.N(longest))
		arrives()
		return resp, err
	})
}

func (c *crowd) fails(hop app.Hop) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, s := time.Now(), c.upset[hop]
	return !now.Before(s.from) && now.Before(s.to)
}

// issues notes a token, and returns what notes that it has arrived.
func (c *crowd) issues(resp *http.Response) (arrives func()) {
	body, _ := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	var grant struct {
		Token string `json:"access_token"`
	}
	_ = json.Unmarshal(body, &grant) // the stand-in's own
	c.mu.Lock()
	defer c.mu.Unlock()
	token := &issued{at: time.Now()}
	c.tokens[grant.Token] = token
	c.order = append(c.order, token)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		token.arrived = time.Now()
	}
}

// leaves looks at the token of a call at the moment when it leaves.
func (c *crowd) leaves(req *http.Request) {
	text := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch token := c.tokens[text]; {
	case token == nil:
		c.t.Error("a call left without a token of ours")
	case !now.Before(token.at.Add(tokenLifetime)):
		c.t.Errorf("a call left with a token that was %s old", now.Sub(token.at))
	case !token.revoked.IsZero():
		// Nobody can know that it is not one call alone that is refused. But once
		// there is a newer one, nobody may send it.
		for _, newer := range c.order[slices.Index(c.order, token)+1:] {
			if !newer.arrived.IsZero() && now.After(newer.arrived) {
				c.t.Errorf("a call left with a revoked token %s after there was a newer one", now.Sub(newer.arrived))
			}
		}
		c.rejected++
	}
}

// call makes calls one after another.
func (c *crowd) call(relay *app.Relay, n int, ends time.Time) {
	for i := 0; time.Now().Before(ends); i++ {
		kind := []string{http.MethodGet, http.MethodPost, http.MethodDelete}[rand.N(3)]
		id := fmt.Sprintf("%d-%d", n, i)
		began := time.Now()
		ctx, cancel := context.WithTimeout(c.t.Context(), 15*time.Second)
		payload, err := relay.Handler.Invoke(lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: id}), crowdEvent(kind, id))
		cancel()
		if err != nil {
			c.t.Error(err)
			return
		}
		var answer struct{ StatusCode int }
		if err := json.Unmarshal(payload, &answer); err != nil {
			c.t.Error(err)
		}
		c.note(answer.StatusCode, payload, began)
		// All come again at once.
		next := time.Now().Truncate(wave).Add(wave)
		time.Sleep(time.Until(next) + rand.N(5*time.Millisecond))
	}
}

func (c *crowd) note(status int, payload []byte, began time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if status == http.StatusOK {
		return
	}
	c.failed++
	for _, s := range c.upset {
		if s.from.Before(time.Now()) && s.to.After(began) {
			return // while a service failed
		}
	}
	c.t.Errorf("a call failed that met no fault: %s", payload)
}

// trouble makes it, in turn, until the end.
func (c *crowd) trouble(ends time.Time) {
	for i := 0; time.Now().Before(ends); i++ {
		time.Sleep(time.Minute + rand.N(2*time.Minute))
		switch i % 4 {
		case 0:
			c.revoke()
		case 1:
			c.rotate()
		case 2:
			c.rotate()
			c.revoke()
		default:
			hop := hops[i/4%len(hops)]
			if hop == app.HopToken {
				c.upsets(hop, 2*tokenLifetime) // refreshes fail, and the token expires
				time.Sleep(2 * tokenLifetime)
				continue
			}
			c.upsets(hop, 80*time.Second) // a wave at least
			c.revoke()                    // so that the service is needed
		}
	}
}

func (c *crowd) rotate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rotated++
	c.box.Rotate(fmt.Sprint("client ", c.rotated), fmt.Sprint("secret ", c.rotated))
}

func (c *crowd) revoke() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended++
	c.box.Token.RevokeAll()
	for _, token := range c.order {
		if token.revoked.IsZero() {
			token.revoked = time.Now()
		}
	}
}

// upsets has a service fail for a while.
func (c *crowd) upsets(hop app.Hop, longest time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.upset[hop] = span{time.Now(), time.Now().Add(longest/4 + rand.N(longest*3/4))}
}

// judge wants each token to have had a reason: the one before it was revoked,
// or was in the last quarter of its life.
func (c *crowd) judge(lasted time.Duration) {
	unasked := 0
	for i, token := range c.order[1:] {
		before := c.order[i]
		revoked := !before.revoked.IsZero() && !before.revoked.After(token.at)
		if age := token.at.Sub(before.at); !revoked && age < tokenLifetime*3/4 {
			unasked++
			c.t.Errorf("a token was minted while one of %s was good", age)
		}
	}
	if c.calls < callers || c.ended == 0 || c.failed == 0 || c.failed > c.calls/3 {
		c.t.Errorf("%d calls, %d failed, %d revocations: not the trouble that was meant", c.calls, c.failed, c.ended)
	}
	if log := c.out.bytes(); bytes.Contains(log, []byte(`"level":"ERROR"`)) || bytes.Contains(log, []byte("internal_error")) {
		c.t.Error("the log has errors")
	}
	c.t.Logf("%s: %d calls, %d tokens (%d unasked for), %d revocations, %d rotations, %d calls met a fault, %d left with a token revoked moments before",
		lasted, c.calls, len(c.order), unasked, c.ended, c.rotated, c.failed, c.rejected)
}

// crowdEvent is a call that the sandbox answers with 200.
func crowdEvent(kind, id string) []byte {
	path, body := "/v5.0/omr/RecognizeTemplate/GetRecognizeTemplate", ""
	switch kind {
	case http.MethodPost:
		path, body = "/v5.0/omr/RecognizeTemplate/PostRecognizeTemplate", `{"images":["aW1hZ2U="],"omrFile":"cGF0dGVybg=="}`
	case http.MethodDelete:
		path = "/v5.0/omr/RecognizeTemplate"
	}
	text, _ := json.Marshal(map[string]any{
		"resource": "/{proxy+}", "path": path, "httpMethod": kind, "headers": map[string]string{"Content-Type": "application/json"},
		"queryStringParameters": map[string]string{"id": id}, "pathParameters": map[string]string{"proxy": path[1:]},
		"requestContext": map[string]any{"stage": "v1"}, "body": body,
	})
	return text
}
