package token_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/problem"
)

func TestLesson07_BurstOf401MintsOnce(t *testing.T) {
	const burst = 20
	for _, tt := range []struct {
		name   string
		spread time.Duration // between one 401 and the next
	}{
		{"at once", 0},
		{"during the mint", 3 * time.Millisecond},
		{"past the mint", 40 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.mustGet(t)
				r.Token.RevokeAll()
				r.slow(100 * time.Millisecond)
				var mu sync.Mutex // guards n
				n := 0
				r.Aspose.Respond(func(_ http.ResponseWriter, req *http.Request) bool {
					mu.Lock()
					n++
					wait := 50*time.Millisecond + time.Duration(n)*tt.spread // all have left by then
					mu.Unlock()
					pause(req.Context(), wait)
					return false
				})
				var wg sync.WaitGroup
				for range burst {
					wg.Go(func() {
						record := r.mustCall(t)
						want(t, "outcome", record.Token, callrecord.Repair)
						want(t, "upstream calls", record.UpstreamCalls, 2)
						want(t, "upstream status", record.UpstreamStatus, http.StatusOK)
					})
				}
				wg.Wait()
				want(t, "mints", r.Token.Mints(), 2)
				want(t, "upstream calls in all", r.Aspose.Count(), 2*burst)
			})
		})
	}
}

// rejectAll has the upstream take no token at all.
func (r *rig) rejectAll() {
	r.Aspose.Respond(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":"invalid_token"}`)
		return true
	})
}

func TestSecond401IsReportedAndRepairsBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.rejectAll()
		_, record, err := r.call(t)
		wantFault(t, err, problem.UpstreamRejectedToken, 0)
		want(t, "outcome", record.Token, callrecord.Repair)
		want(t, "upstream status", record.UpstreamStatus, http.StatusUnauthorized)
		want(t, "upstream calls", r.Aspose.Count(), 2)
		want(t, "mints", r.Token.Mints(), 2)

		for _, seconds := range []int{1, 2, 4, 8, 16, 30, 30} {
			wait := time.Duration(seconds) * time.Second
			mints, calls := r.Token.Mints(), r.Aspose.Count()
			time.Sleep(wait - 1)
			_, _, err = r.call(t)
			wantFault(t, err, problem.UpstreamRejectedToken, 0)
			want(t, "mints during the back-off", r.Token.Mints(), mints)
			want(t, "upstream calls during the back-off", r.Aspose.Count(), calls+1)
			time.Sleep(time.Nanosecond)
			_, _, err = r.call(t)
			wantFault(t, err, problem.UpstreamRejectedToken, 0)
			want(t, "mints after the back-off", r.Token.Mints(), mints+1)
			want(t, "upstream calls after the back-off", r.Aspose.Count(), calls+3)
		}

		// The upstream comes round: nothing stands in the way, and the next
		// rejection starts from the beginning.
		time.Sleep(30 * time.Second)
		r.Aspose.Respond(nil)
		r.Token.RevokeAll()
		r.mustCall(t)
		r.Token.RevokeAll()
		r.mustCall(t)
		r.rejectAll()
		_, _, err = r.call(t)
		wantFault(t, err, problem.UpstreamRejectedToken, 0)
		mints := r.Token.Mints()
		time.Sleep(time.Second)
		_, _, _ = r.call(t)
		want(t, "mints a second later", r.Token.Mints(), mints+1)
	})
}

// Many calls rejected at once are one rejection, for the back-off too.
func TestRejectedBurstCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.mustGet(t)
		r.Aspose.Respond(func(w http.ResponseWriter, req *http.Request) bool {
			pause(req.Context(), 50*time.Millisecond) // all have left by then
			w.WriteHeader(http.StatusUnauthorized)
			return true
		})
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, _, err := r.call(t); problem.From(err).Code != problem.UpstreamRejectedToken {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		want(t, "mints", r.Token.Mints(), 2)
		want(t, "upstream calls", r.Aspose.Count(), 20)
		time.Sleep(time.Second)
		_, _, _ = r.call(t)
		want(t, "mints a second later", r.Token.Mints(), 3)
	})
}

// During the back-off a newer token than the rejected one is still used.
func TestLateRejectionUsesTheNewerToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.mustGet(t)
		var mu sync.Mutex // guards n
		n := 0
		r.Aspose.Respond(func(w http.ResponseWriter, req *http.Request) bool {
			mu.Lock()
			n++
			call := n
			mu.Unlock()
			if call == 1 {
				pause(req.Context(), 500*time.Millisecond)
			}
			if call <= 3 {
				w.WriteHeader(http.StatusUnauthorized)
			}
			return call <= 3
		})
		var wg sync.WaitGroup
		wg.Go(func() { want(t, "outcome", r.mustCall(t).Token, callrecord.Repair) })
		synctest.Wait()
		_, _, err := r.call(t) // rejected twice: repairs wait for a second
		wantFault(t, err, problem.UpstreamRejectedToken, 0)
		wg.Wait()
		want(t, "mints", r.Token.Mints(), 2)
	})
}

func TestRepairThatFindsNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.mustCall(t)
		r.Token.RevokeAll()
		r.Token.Accept("nobody", "none")
		_, record, err := r.call(t)
		wantFault(t, err, problem.TokenUnavailable, 10*time.Second)
		want(t, "outcome", record.Token, callrecord.Repair)
		want(t, "upstream calls", r.Aspose.Count(), 2)
	})
}

func TestReplayIsTheSameRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.mustGet(t)
		r.Token.RevokeAll()
		r.Aspose.Record(2)
		body := bytes.Repeat([]byte("\x00\xff{form}\r\n"), 10_000)
		ctx, cancel := context.WithTimeout(t.Context(), budget)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPut,
			baseURL+"/v3.0/omr/storage/file/a%2Fb.png?x=%20&", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "image/png")
		req.Header.Add("X-Aspose-Client", "one")
		req.Header.Add("X-Aspose-Client", "two")
		req.Header.Add("Authorization", "Bearer forged")
		req.Header.Add("Authorization", "Basic forged")
		before := req.Header.Clone()
		status, err := roundTrip(r.transport, req)
		if err != nil || status == http.StatusUnauthorized {
			t.Fatalf("%d, %v", status, err)
		}
		want(t, "the caller's request is untouched", reflect.DeepEqual(req.Header, before), true)

		seen := r.Aspose.Requests()
		if len(seen) != 2 {
			t.Fatalf("%d upstream calls", len(seen))
		}
		first, second := seen[0], seen[1]
		want(t, "another token", bearer(first.Header) != bearer(second.Header), true)
		want(t, "a valid one", r.Token.Valid(bearer(second.Header)), true)
		for _, one := range seen {
			want(t, "method", one.Method, http.MethodPut)
			want(t, "target", one.Target, "/v3.0/omr/storage/file/a%2Fb.png?x=%20&")
			want(t, "body arrived whole", bytes.Equal(one.Body, body), true)
			want(t, "Authorization fields", len(one.Header.Values("Authorization")), 1)
			header := maps.Clone(one.Header)
			delete(header, "Authorization")
			delete(before, "Authorization")
			before.Set("Accept-Encoding", "identity")
			want(t, "the other headers", reflect.DeepEqual(header, before), true)
		}
	})
}

// A body that cannot be had again is not replayed without it.
func TestNoReplayWithoutTheBody(t *testing.T) {
	post := func(t *testing.T, r *rig, getBody func() (io.ReadCloser, error)) error {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), budget)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, baseURL+"/v5.0/omr/recognize",
			io.NopCloser(strings.NewReader("{}")))
		if err != nil {
			t.Fatal(err)
		}
		req.GetBody = getBody
		_, err = roundTrip(r.transport, req)
		return err
	}
	for name, getBody := range map[string]func() (io.ReadCloser, error){
		"no GetBody":     nil,
		"failed GetBody": func() (io.ReadCloser, error) { return nil, errGone },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.mustGet(t)
				r.Token.RevokeAll()
				err := post(t, r, getBody)
				if getBody == nil {
					wantFault(t, err, problem.UpstreamRejectedToken, 0)
				} else {
					want(t, "cause", errors.Is(err, errGone), true)
				}
				want(t, "upstream calls", r.Aspose.Count(), 1)
			})
		})
	}
}

var errGone = errors.New("gone")

// Only a 401 is answered with a second call; the rest is the caller's.
func TestOtherAnswersComeBackAsTheyAre(t *testing.T) {
	for _, code := range []int{200, 204, 301, 302, 307, 400, 402, 403, 404, 407, 429, 500, 503} {
		t.Run(http.StatusText(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.Aspose.Respond(func(w http.ResponseWriter, _ *http.Request) bool {
					w.Header().Set("Location", "https://elsewhere.test/")
					w.WriteHeader(code)
					return true
				})
				got, _, err := r.call(t)
				if err != nil {
					t.Fatal(err)
				}
				want(t, "status", got, code)
				want(t, "upstream calls", r.Aspose.Count(), 1)
			})
		})
	}
}
