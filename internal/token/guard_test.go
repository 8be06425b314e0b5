package token

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/problem"
	"omr-relay/internal/sandbox"
	"omr-relay/internal/sensitive"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// pieces is a body that comes in these pieces, and ends as err says.
type pieces struct {
	left   []string
	err    error
	closed bool
}

func (p *pieces) Read(buf []byte) (int, error) {
	if len(p.left) == 0 {
		return 0, p.err
	}
	n := copy(buf, p.left[0])
	if p.left[0] = p.left[0][n:]; p.left[0] == "" {
		p.left = p.left[1:]
	}
	if len(p.left) == 0 && errors.Is(p.err, io.EOF) {
		return n, io.EOF // as net/http does where it knows the length
	}
	return n, nil
}

func (p *pieces) Close() error { p.closed = true; return nil }

// through reads an answer that comes in these pieces through a guard, with a
// buffer of that size.
func through(t *testing.T, e *echo, size int, err error, parts ...string) (string, error) {
	t.Helper()
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: &pieces{left: parts, err: err}}
	if err := guard(resp, e); err != nil {
		t.Fatal(err)
	}
	var out []byte
	buf := make([]byte, size)
	for {
		n, err := resp.Body.Read(buf)
		out = append(out, buf[:n]...)
		if errors.Is(err, io.EOF) {
			return string(out), nil
		}
		if err != nil {
			return string(out), err
		}
	}
}

// FuzzGuard cuts an answer anywhere: what comes through is the answer, as far as
// it shows no token, and never a piece of one.
func FuzzGuard(f *testing.F) {
	jwt := aJWT()
	f.Add([]byte("Authorization: Bearer "+jwt+"\n"), []byte{3, 60, 1}, uint16(600))
	f.Add([]byte(strings.Repeat(aSignature[:23]+" ", 9)), []byte{24, 1, 1, 1, 5}, uint16(7))
	f.Add([]byte(aSignature[3:20]), []byte{1}, uint16(1))
	f.Add([]byte(strings.Repeat("iVBORw0KGgo.", 300)+aSignature[20:50]), []byte{255, 255, 255}, uint16(512))
	e := newEcho(jwt)
	f.Fuzz(func(t *testing.T, body, cuts []byte, size uint16) {
		var parts []string
		for rest := string(body); rest != ""; {
			n := len(rest)
			if len(cuts) > 0 {
				n, cuts = min(n, int(cuts[0])+1), cuts[1:]
			}
			parts, rest = append(parts, rest[:n]), rest[n:]
		}
		out, err := through(t, e, int(size)+1, io.EOF, parts...)
		if !strings.HasPrefix(string(body), out) || shows(out, jwt) {
			t.Errorf("%q became %q", body, out)
		}
		if !shows(string(body), jwt) {
			if err != nil || out != string(body) {
				t.Errorf("%q became %q, %v", body, out, err)
			}
			return
		}
		if problem.From(err).Code != problem.UpstreamEchoedToken {
			t.Errorf("%q ended with %v", body, err)
		}
		for first := range body {
			if shows(string(body[:first+24]), jwt) {
				if len(out) > first {
					t.Errorf("%d bytes of the token went out: %q", len(out)-first, out)
				}
				break
			}
		}
	})
}

// TestGuardHoldsBackNoMoreThanItMust: what cannot become an echo goes out at once.
func TestGuardHoldsBackNoMoreThanItMust(t *testing.T) {
	jwt := aJWT()
	resp := &http.Response{Header: http.Header{}, Body: &pieces{err: io.EOF, left: []string{"data: 1\n\n", "data: " + aSignature[:10], "#", aSignature[5:9]}}}
	if err := guard(resp, newEcho(jwt)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1000)
	for _, want := range []string{"data: 1\n\n", "data: ", aSignature[:10] + "#", aSignature[5:9]} {
		if n, _ := resp.Body.Read(buf); string(buf[:n]) != want {
			t.Errorf("got %q, want %q", buf[:n], want)
		}
	}
}

// A body that breaks off has said what it said, and says why.
func TestGuardPassesErrorsOn(t *testing.T) {
	out, err := through(t, newEcho(aJWT()), 600, io.ErrUnexpectedEOF, "text "+aSignature[:12])
	if out != "text "+aSignature[:12] || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %v", out, err)
	}
	out, err = through(t, newEcho(aJWT()), 5, iotest.ErrTimeout, "text that is longer")
	if out != "text that is longer" || !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("%q, %v", out, err)
	}
}

// answering is a transport whose upstream gives these answers to authorized calls.
func answering(t *testing.T, answers ...func(token string) *http.Response) (*Transport, *[]*pieces) {
	t.Helper()
	c := sandboxCache(sandbox.New())
	var bodies []*pieces
	return &Transport{Cache: c, Base: roundTripper(func(req *http.Request) (*http.Response, error) {
		resp := answers[0](strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "))
		if len(answers) > 1 {
			answers = answers[1:]
		}
		if body, ok := resp.Body.(*pieces); ok {
			bodies = append(bodies, body)
		}
		return resp, nil
	})}, &bodies
}

// fetch makes a call and reads its answer.
func fetch(t *testing.T, rt http.RoundTripper) (string, error) {
	t.Helper()
	ctx, _ := callrecord.With(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://upstream.test/v5.0/omr/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.Request != req {
		t.Error("the answer carries a request that is not the caller's")
	}
	out, err := io.ReadAll(resp.Body)
	return string(out), err
}

func answerOf(header http.Header, body ...string) *http.Response {
	return &http.Response{Status: "200 OK", StatusCode: http.StatusOK, Header: header, Body: &pieces{left: body, err: io.EOF}, ContentLength: -1}
}

// TestLesson12_EchoWhereverItStands: no way out of an answer shows the token.
func TestLesson12_EchoWhereverItStands(t *testing.T) {
	for name, answer := range map[string]func(token string) *http.Response{
		"body":       func(token string) *http.Response { return answerOf(nil, "Bearer "+token) },
		"two pieces": func(token string) *http.Response { return answerOf(nil, token[:len(token)-20], token[len(token)-20:]) },
		"a part":     func(token string) *http.Response { return answerOf(nil, "{"+token[len(token)-30:len(token)-4]+"}") },
		"header":     func(token string) *http.Response { return answerOf(http.Header{"X-A": {"a", token}}) },
		"name":       func(token string) *http.Response { return answerOf(http.Header{token: {"a"}}) },
		"status": func(token string) *http.Response {
			resp := answerOf(nil)
			resp.Status = "200 " + token
			return resp
		},
		"error": func(token string) *http.Response {
			resp := answerOf(nil, token)
			resp.StatusCode = http.StatusInternalServerError
			return resp
		},
		"trailer": func(token string) *http.Response {
			resp := answerOf(nil, "text")
			resp.Trailer = http.Header{"X-Trailer": {token}}
			return resp
		},
	} {
		t.Run(name, func(t *testing.T) {
			rt, bodies := answering(t, answer)
			out, err := fetch(t, rt)
			if problem.From(err).Code != problem.UpstreamEchoedToken || strings.Count(out, ".") == 2 && !strings.HasSuffix(out, ".") {
				t.Errorf("%q, %v", out, err)
			}
			if !(*bodies)[0].closed {
				t.Error("the body is not closed")
			}
		})
	}
}

// TestLesson12_EchoOfTheTokenBefore: a page that was made for the call before.
func TestLesson12_EchoOfTheTokenBefore(t *testing.T) {
	for name, next := range map[string]func(t *testing.T, rt *Transport){
		"expired": func(*testing.T, *Transport) { time.Sleep(time.Hour) },
		"refreshed": func(t *testing.T, rt *Transport) {
			t.Helper()
			time.Sleep(55 * time.Minute)
			if _, err := fetch(t, rt); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var first string
				harmless := func(token string) *http.Response {
					if first == "" {
						first = token
					}
					return answerOf(nil, "text")
				}
				last := func(string) *http.Response { return answerOf(nil, "cached: "+first) }
				answers := []func(string) *http.Response{harmless, harmless, last}
				if name == "expired" {
					answers = answers[1:]
				}
				rt, _ := answering(t, answers...)
				if _, err := fetch(t, rt); err != nil {
					t.Fatal(err)
				}
				next(t, rt)
				if out, err := fetch(t, rt); problem.From(err).Code != problem.UpstreamEchoedToken {
					t.Errorf("%q, %v", out, err)
				}
			})
		})
	}
}

// panicking is a body that panics when it is read, or closed as well.
type panicking struct{ close, closed bool }

func (*panicking) Read([]byte) (int, error) { panic("while it is read") }

func (p *panicking) Close() error {
	p.closed = true
	if p.close {
		panic("while it is closed")
	}
	return nil
}

// TestLesson02_PanicStillJoinsTheRefresh wherever in the call it comes.
func TestLesson02_PanicStillJoinsTheRefresh(t *testing.T) {
	for name, body := range map[string]io.ReadCloser{"reading": &panicking{}, "closing": &panicking{close: true}, "calling": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sb := sandbox.New()
				c := sandboxCache(sb)
				c.current.Store(newToken(sensitive.New("an-old-token-that-is-due"), time.Now().Add(-55*time.Minute), time.Hour, 0.2))
				rt := &Transport{Cache: c, Base: roundTripper(func(*http.Request) (*http.Response, error) {
					if body == nil {
						panic("while it is called")
					}
					return &http.Response{StatusCode: http.StatusOK, Body: body}, nil
				})}
				func() {
					defer func() {
						if recover() == nil {
							t.Error("no panic")
						}
					}()
					_, _ = fetch(t, rt)
				}()
				if sb.Token.Mints() != 1 || c.flight != nil {
					t.Errorf("%d mints; still at it: %v", sb.Token.Mints(), c.flight != nil)
				}
				if p, ok := body.(*panicking); ok && !p.closed {
					t.Error("not closed")
				}
			})
		})
	}
}
