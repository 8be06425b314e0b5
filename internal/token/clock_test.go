package token

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/sandbox"
	"omr-relay/internal/sensitive"
	"omr-relay/secrets"
)

// Virtual time goes forward only, and its two clocks go together. What other
// clocks would leave behind is therefore put into the fields by hand.

// A monotonic reading would win over the wall clock in every comparison, and
// it stands still during a freeze.
func TestLesson01_NoTimeKeepsAMonotonicReading(t *testing.T) {
	tok := newToken(sensitive.New("x"), time.Now(), time.Hour, 0.2)
	for name, at := range map[string]time.Time{"now": wallNow(), "expiry": tok.expiry, "soft": tok.soft} {
		if strings.Contains(at.String(), "m=") {
			t.Errorf("%s has one: %v", name, at)
		}
	}
}

type fixedSource secrets.Credentials

func (s fixedSource) Get(context.Context) (secrets.Credentials, error) {
	return secrets.Credentials(s), nil
}

func sandboxCache(sb *sandbox.Sandbox) *Cache {
	return NewCache(Config{
		Source: fixedSource{
			ClientID: sensitive.New(sandbox.DefaultClientID), ClientSecret: sensitive.New(sandbox.DefaultClientSecret), Version: "v1",
		},
		Endpoint:  &url.URL{Scheme: "https", Host: "token.test", Path: sandbox.TokenPath},
		Transport: sandbox.InProcess(sb.Upstream()),
	})
}

// ahead leaves behind what a clock that has since been set back had begun.
func ahead(p *pause) { p.began = p.began.Add(time.Hour) }

// A clock that was set back by an hour holds nothing back for an hour.
func TestClockSetBack(t *testing.T) {
	t.Run("verdict", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sb := sandbox.New()
			c := sandboxCache(sb)
			sb.Token.Accept("other", "other")
			if _, _, err := c.Token(t.Context()); err == nil {
				t.Fatal("no error")
			}
			ahead(&c.minter.lastRead)
			for _, v := range c.minter.verdicts.all {
				ahead(&v.pause)
			}
			sb.Token.Accept(sandbox.DefaultClientID, sandbox.DefaultClientSecret)
			if _, _, err := c.Token(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("Retry-After", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := sandboxCache(sandbox.New())
			c.minter.outage = pauseFor(30 * time.Second)
			ahead(&c.minter.outage)
			began := time.Now()
			if _, _, err := c.Token(t.Context()); err != nil || time.Since(began) != 0 {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		})
	})
	t.Run("repair back-off", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sb := sandbox.New()
			c := sandboxCache(sb)
			rt := &Transport{Base: sandbox.InProcess(sb.Upstream()), Cache: c}
			get := func() (*http.Response, error) {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://upstream.test/v5.0/omr/x", nil)
				if err != nil {
					t.Fatal(err)
				}
				return rt.RoundTrip(req)
			}
			valid := sb.Aspose.Valid
			sb.Aspose.Valid = func(string) bool { return false }
			if _, err := get(); err == nil {
				t.Fatal("no error")
			}
			ahead(&c.repairPause)
			mints := sb.Token.Mints()
			if _, err := get(); err == nil {
				t.Fatal("no error")
			}
			if got := sb.Token.Mints(); got != mints+1 {
				t.Errorf("%d mints after the clock was set back, want 1", got-mints)
			}
			// From here the back-off goes by the new time.
			if _, err := get(); err == nil || sb.Token.Mints() != mints+1 {
				t.Errorf("%v; %d mints during the back-off, want 1", err, sb.Token.Mints()-mints)
			}
			sb.Aspose.Valid = valid
		})
	})
}

// Where a caller without a deadline meets the bounds that otherwise its own
// deadline sets: none of the waits is cut short, each ends with ctx.
func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if !sleep(t.Context(), time.Minute) || time.Since(began) != time.Minute {
			t.Errorf("did not sleep for a minute but %v", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began = time.Now()
		if sleep(ctx, time.Minute) || time.Since(began) != 0 {
			t.Errorf("began a sleep that could not end in time")
		}
		if !sleep(ctx, time.Minute-1) {
			t.Errorf("did not begin a sleep that ends in time")
		}
	})
}
