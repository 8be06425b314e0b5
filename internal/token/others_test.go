package token_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/secrets"
)

// TestRepairTakesNoTokenFromOthers: whatever keeps the next token from
// coming, the one that a single call was rejected with serves all other calls.
func TestRepairTakesNoTokenFromOthers(t *testing.T) {
	endpoints := map[string]http.HandlerFunc{
		"broken": broken, "hung": hung, "500": status(500, ""), "503": status(503, "", "Retry-After", "9"),
		"429": status(429, ""), "ban": status(429, "", "Retry-After", "600"), "denied": status(400, invalidClient), "401": status(401, ""),
		"403": status(403, ""), "404": status(404, ""), "redirect": status(307, "", "Location", "https://elsewhere.test"), "204": status(204, ""),
		"error in 200": ok(invalidClient), "unknown coding": status(200, "x", "Content-Encoding", "br"),
	}
	for name, body := range brokenAnswers {
		endpoints[name] = ok(body)
	}
	for name, answer := range finalAnswers {
		endpoints[name] = ok(answer.body)
	}
	secret := map[string]error{
		"secret out of reach": &secrets.Error{Kind: secrets.Unavailable}, "secret gone": &secrets.Error{Kind: secrets.NotFound},
	}
	check := func(t *testing.T, down func(r *rig)) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.onlyValid(t)
			r.mustCall(t)
			good := r.mustGet(t)
			r.Aspose.Respond(func(w http.ResponseWriter, req *http.Request) bool {
				if forbidden := req.URL.Path == "/v5.0/omr/forbidden"; forbidden {
					w.WriteHeader(http.StatusUnauthorized)
					return true
				}
				return false
			})
			down(r)
			for range 3 {
				ctx, cancel := context.WithTimeout(t.Context(), budget)
				req, _ := http.NewRequestWithContext(ctx, http.MethodGet, baseURL+"/v5.0/omr/forbidden", nil)
				if _, err := roundTrip(r.transport, req); err == nil {
					t.Error("the rejected call brought an answer")
				}
				cancel()
				record := r.mustCall(t)
				want(t, "the others' outcome", record.Token, callrecord.Hit)
				want(t, "the others' token", r.mustGet(t), good)
				time.Sleep(time.Second)
			}
			time.Sleep(10 * time.Minute) // whatever was held is over
			r.Token.Respond(nil)
			r.vault.fail(nil)
			r.Aspose.Respond(nil)
			r.Token.RevokeAll()
			want(t, "outcome, now that all is well", r.mustCall(t).Token, callrecord.Repair)
		})
	}
	for name, answer := range endpoints {
		t.Run(name, func(t *testing.T) { check(t, func(r *rig) { r.always(answer) }) })
	}
	for name, err := range secret {
		t.Run(name, func(t *testing.T) { check(t, func(r *rig) { r.vault.fail(err) }) })
	}
}

// A token that the upstream rejected gives way to any other, be it shorter-lived.
func TestRejectedTokenGivesWayToAShorterLivedOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.Token.SetLifetime(day)
		r.mustCall(t)
		r.Token.RevokeAll()
		r.Token.SetLifetime(time.Minute)
		r.mustCall(t)
		want(t, "outcome of the next call", r.mustCall(t).Token, callrecord.Hit)
		want(t, "upstream calls", r.Aspose.Count(), 4)
	})
}
