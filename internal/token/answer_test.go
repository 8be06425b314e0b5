package token_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"omr-relay/internal/problem"
	"omr-relay/internal/sandbox"
)

// grantJSON is an answer of the token endpoint; extra are more members.
func grantJSON(accessToken, extra string) string {
	quoted, _ := json.Marshal(accessToken)
	return fmt.Sprintf(`{"access_token":%s,"token_type":"Bearer"%s}`, quoted, extra)
}

// jwt wraps claims in the shape of a JWT.
func jwt(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

// bubbleStart is when every bubble begins.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func expiringIn(d time.Duration) string {
	return jwt(fmt.Sprintf(`{"exp":%d}`, bubbleStart.Add(d).Unix()))
}

func TestLesson04_LifetimeIsNeverForEver(t *testing.T) {
	const (
		none     = 5 * time.Minute // nothing believable said
		month    = 30 * 24 * time.Hour
		unusable = -1
	)
	good := expiringIn(40 * time.Minute)
	for _, tt := range []struct {
		name      string
		expiresIn string // a JSON value; "" leaves it out
		token     string
		want      time.Duration
	}{
		{"seconds", "3600", "opaque", time.Hour},
		{"fraction", "90.5", "opaque", 90*time.Second + 500*time.Millisecond},
		{"exponent", "1e3", "opaque", 1000 * time.Second},
		{"30 days", "2592000", "opaque", month},
		{"expires_in is shorter than exp", "600", good, 10 * time.Minute},
		{"exp shortens expires_in", "3600", good, 40 * time.Minute},
		{"a past exp ends all", "600", expiringIn(-time.Hour), unusable},
		{"text", `"3600"`, "opaque", time.Hour},
		{"text of 2 seconds", `"2"`, "opaque", 2 * time.Second},
		{"text with blanks", `" 90.5 "`, "opaque", 90*time.Second + 500*time.Millisecond},

		{"missing", "", "opaque", none},
		{"null", "null", "opaque", none},
		{"zero", "0", "opaque", none},
		{"too small to count", "1e-12", "opaque", none},
		{"negative", "-3600", "opaque", none},
		{"empty text", `""`, "opaque", none},
		{"words", `"an hour"`, "opaque", none},
		{"hexadecimal text", `"0x10"`, "opaque", none},
		{"infinite text", `"Inf"`, "opaque", none},
		{"text in text", `"\"60\""`, "opaque", none},
		{"zero as text", `"0"`, "opaque", none},
		{"boolean", "true", "opaque", none},
		{"object", "{}", "opaque", none},
		{"more than 30 days", "2592001", "opaque", month},
		{"a timestamp", "946688400", "opaque", month},
		{"beyond any number", "1e999", "opaque", month},

		{"missing, exp", "", good, 40 * time.Minute},
		{"null, exp", "null", good, 40 * time.Minute},
		{"zero, exp", "0", good, 40 * time.Minute},
		{"negative, exp", "-1", good, 40 * time.Minute},
		{"words, exp", `"soon"`, good, 40 * time.Minute},
		{"milliseconds as text", `"3600000"`, "opaque", month},
		{"below any number", "-1e999", "opaque", none},
		{"absurd, exp", "1e300", good, 40 * time.Minute},
		{"fractional exp", "", jwt(fmt.Sprintf(`{"exp":%d.5}`, bubbleStart.Unix()+60)), 60*time.Second + 500*time.Millisecond},
		{"padded exp", "", "e30." + base64.URLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d  }`, bubbleStart.Unix()+60)) + ".c2ln", time.Minute},

		{"exp past", "", expiringIn(-time.Second), unusable},
		{"exp now", "0", expiringIn(0), unusable},
		{"exp in the last century", "", jwt(`{"exp":1}`), unusable},
		{"exp before time", "", jwt(`{"exp":-1e300}`), unusable},
		{"exp in 31 days", "", expiringIn(month + 24*time.Hour), month},
		{"exp in milliseconds", "", jwt(fmt.Sprintf(`{"exp":%d}`, bubbleStart.UnixMilli())), month},
		{"exp absurd", "", jwt(`{"exp":1e300}`), month},
		{"exp as text", "", jwt(fmt.Sprintf(`{"exp":"%d"}`, bubbleStart.Unix()+60)), time.Minute},
		{"exp in words", "", jwt(`{"exp":"soon"}`), none},
		{"exp null", "", jwt(`{"exp":null}`), none},
		{"no exp", "", jwt(`{"iat":1}`), none},
		{"claims not JSON", "", "e30.bm90IEpTT04.c2ln", none},
		{"claims not base64", "", "e30.~~~.c2ln", none},
		{"two parts", "", strings.TrimSuffix(good, ".c2ln"), none},
		{"four parts", "", good + ".x", none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				extra := ""
				if tt.expiresIn != "" {
					extra = `,"expires_in":` + tt.expiresIn
				}
				r.always(ok(grantJSON(tt.token, extra)))
				left, err := r.cache.Ensure(t.Context(), 0)
				if tt.want == unusable {
					wantFault(t, err, problem.TokenUnavailable, 2*time.Second)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				// exp is a float of seconds: good to a microsecond.
				if d := left - tt.want; d.Abs() > time.Microsecond {
					t.Errorf("the token lives for %v, want %v", left, tt.want)
				}
			})
		})
	}
}

// brokenAnswers are 200s that bring no token. Each is worth another try.
var brokenAnswers = map[string]string{
	"empty":               "",
	"blank":               " \n",
	"HTML":                "<html>sign in</html>",
	"cut off":             `{"access_token":"abc`,
	"array":               `[]`,
	"null":                `null`,
	"no token":            `{"token_type":"Bearer","expires_in":60}`,
	"empty token":         grantJSON("", ""),
	"token not text":      `{"access_token":1,"token_type":"Bearer"}`,
	"trailing text":       grantJSON("abc", "") + "x",
	"type not text":       `{"access_token":"abc","token_type":7}`,
	"past exp":            grantJSON(expiringIn(-time.Minute), ""),
	"oversized by blanks": grantJSON("abc", "") + strings.Repeat(" ", 64<<10+1-len(grantJSON("abc", ""))),
	"oversized":           grantJSON("abc", `,"pad":"`+strings.Repeat("x", 64<<10)+`"`),
}

func TestLesson04_BrokenAnswerIsTriedAgain(t *testing.T) {
	for name, body := range brokenAnswers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.answers(ok(body))
				r.mustCall(t)
				want(t, "token requests", r.Token.Count(), 2)
			})
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.always(ok(body))
				_, _, err := r.call(t)
				wantFault(t, err, problem.TokenUnavailable, 2*time.Second)
				want(t, "upstream calls", r.Aspose.Count(), 0)
			})
		})
	}
}

func TestAnswersThatAreTaken(t *testing.T) {
	full := grantJSON("abc", "")
	for name, body := range map[string]string{
		"no type":         `{"access_token":"abc","expires_in":60}`,
		"type in capital": `{"access_token":"abc","token_type":"BEARER","expires_in":60}`,
		"every character": grantJSON("AZaz09-._~+/==", ""),
		"at the cap":      full + strings.Repeat(" ", 64<<10-len(full)),
		"byte order mark": "\ufeff" + full,
		"no error":        grantJSON("abc", `,"error":null`),
		"empty error":     grantJSON("abc", `,"error":""`),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.answers(ok(body))
				r.mustGet(t)
				want(t, "token requests", r.Token.Count(), 1)
			})
		})
	}
}

// Which success it is says nothing.
func TestStatusesThatAreTaken(t *testing.T) {
	for _, code := range []int{200, 201, 202, 203} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.answers(status(code, grantJSON("abc", "")))
			r.mustGet(t)
			want(t, "token requests", r.Token.Count(), 1)
		})
	}
}

// An endless answer is left at the cap and not read into memory.
func TestAnswerIsNotReadBeyondTheCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		endless := &endlessBody{}
		r.use(t, roundTripFunc(func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: endless, Request: req}, nil
		}))
		_, _, err := r.get(t, time.Nanosecond)
		wantFault(t, err, problem.TokenUnavailable, 2*time.Second)
		if !endless.closed || endless.read > 128<<10 {
			t.Errorf("%d bytes read, closed: %v", endless.read, endless.closed)
		}
	})
}

type endlessBody struct {
	read   int
	closed bool
}

func (b *endlessBody) Read(p []byte) (int, error) {
	if b.read > 1<<20 {
		return 0, errors.New("read on and on")
	}
	b.read += len(p)
	return len(p), nil
}

func (b *endlessBody) Close() error { b.closed = true; return nil }

// A connection that breaks in the middle of the answer is tried again.
func TestAnswerCutOffByTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		inner, first := sandbox.InProcess(r.Upstream()), true
		r.use(t, roundTripFunc(func(req *http.Request) (*http.Response, error) {
			resp, err := inner.RoundTrip(req)
			if err == nil && first {
				first = false
				resp.Body = io.NopCloser(io.MultiReader(io.LimitReader(resp.Body, 10), failingReader{}))
			}
			return resp, err
		}))
		r.mustGet(t)
		want(t, "token requests", r.Token.Count(), 2)
	})
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
