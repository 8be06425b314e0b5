package token

import (
	"net/http"
	"testing"
	"time"

	"omr-relay/internal/sandbox"
	"omr-relay/internal/sensitive"
)

// TestHitTakesNoLock relays a call while somebody holds on to the cache's lock.
func TestHitTakesNoLock(t *testing.T) {
	sb := sandbox.New()
	c := sandboxCache(sb)
	if _, _, err := c.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	rt := &Transport{Base: sandbox.InProcess(sb.Upstream()), Cache: c}
	c.mu.Lock()
	defer c.mu.Unlock()
	called := make(chan error, 1)
	go func() {
		if c.left() <= 0 {
			t.Error("no token")
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://upstream.test/", nil)
		if err == nil {
			var resp *http.Response
			if resp, err = rt.RoundTrip(req); err == nil {
				err = resp.Body.Close()
			}
		}
		called <- err
	}()
	select {
	case err := <-called:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the call waits for the lock")
	}
}

// TestNoRefreshOfAReplacedToken: whoever still calls on the old token has
// nothing to refresh once the next one is there.
func TestNoRefreshOfAReplacedToken(t *testing.T) {
	sb := sandbox.New()
	c := sandboxCache(sb)
	old := newToken(sensitive.New("old"), time.Now().Add(-50*time.Minute), time.Hour, 0.2)
	c.current.Store(newToken(sensitive.New("new"), time.Now(), time.Hour, 0.2))
	if join := c.refresh(t.Context(), old); join != nil {
		t.Errorf("a refresh, which ended with %v", join())
	}
	c.current.Store(old)
	join := c.refresh(t.Context(), old)
	if join == nil {
		t.Fatal("no refresh of a token that is due")
	}
	if err := join(); err != nil || sb.Token.Mints() != 1 {
		t.Errorf("%d mints, %v", sb.Token.Mints(), err)
	}
}

func TestHeader(t *testing.T) {
	if got := newToken(sensitive.New("x"), time.Now(), time.Hour, 0.2).header.Reveal(); got != "Bearer x" {
		t.Errorf("Authorization: %s", got)
	}
}
