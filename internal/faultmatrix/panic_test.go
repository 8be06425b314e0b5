package faultmatrix

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/app"
)

// TestPanics has the code below the relay panic with every secret in hand: the
// invocation gets an answer, the next one is served, and nothing shows what the
// panic said.
func TestPanics(t *testing.T) {
	t.Parallel()
	secrets := clientID + clientSecret + accessToken + awsSecretKey + string(image)
	for name, value := range map[string]any{
		"string": secrets, "error": errors.New(secrets), "bytes": []byte(secrets), "struct": struct{ Form string }{secrets},
	} {
		for _, hop := range hops {
			for _, kind := range events {
				t.Run(fmt.Sprintf("%s/%s/%s", name, hop, kind), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						v := newVirtual(t)
						well := v.hops[hop]
						v.hops[hop] = roundTrip(func(*http.Request) (*http.Response, error) { panic(value) })
						want, after := "500 internal_error", "200"
						if kind == warmUp {
							want, after = "not warm, internal_error", "warm"
						}
						got := v.invoke(kind, "measured", patient)
						if got.text != want {
							t.Errorf("answered %s, want %s", got.text, want)
						}
						v.hops[hop] = well
						v.want(kind, "after", after)
						v.keptSecret(got)
					})
				})
			}
		}
	}
}

// A soft refresh runs beside its call: its panic must not end the process.
func TestPanicOfASoftRefresh(t *testing.T) {
	for _, hop := range []app.Hop{app.HopSecret, app.HopToken} {
		t.Run(string(hop), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVirtual(t)
				v.world.lives(100)
				v.want(http.MethodGet, "before", "200")
				time.Sleep(90 * time.Second)
				well := v.hops[hop]
				v.hops[hop] = roundTrip(func(*http.Request) (*http.Response, error) { panic(clientSecret) })
				got := v.invoke(http.MethodPost, "due", patient)
				if got.text != "200" {
					t.Errorf("answered %s", got.text)
				}
				v.hops[hop] = well
				time.Sleep(10 * time.Second)
				v.want(http.MethodPost, "expired", "200")
				v.keptSecret(got)
			})
		})
	}
}

func (v *virtual) keptSecret(got outcome) {
	v.t.Helper()
	for name, text := range map[string][]byte{"log": v.out.bytes(), "answer": got.payload, "answer's body": got.body} {
		if leak := canaries.find(text); leak != "" {
			v.t.Errorf("the %s shows %s: %s", name, leak, text)
		}
	}
}
