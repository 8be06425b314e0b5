package faultmatrix

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"omr-relay/internal/app"
)

// fault is a way to fail.
type fault struct {
	// name is how docs/faults.md calls it.
	name string
	// over are the protocols on which it can happen.
	over []protocol
	// at is the one service that it can befall; any, if empty.
	at app.Hop
	// hangs is for faults that end with the invocation's deadline only.
	hangs bool
	// times limits it to that many requests, where S3 fails; 0 is no limit.
	times int
	// stale is for what befalls kept connections alone.
	stale bool
	// refuses has nobody listen.
	refuses bool
	// connect takes connections over before a byte was read.
	connect func(*service, net.Conn)
	// serve answers requests.
	serve func(exchange)
}

var (
	anyHTTP = []protocol{http1, http2}
	plain   = []protocol{http1}
	anyTLS  = []protocol{https1, http2}
	onlyH2  = []protocol{http2}
)

// The faults. Each is one row's name in docs/faults.md.
var (
	refused      = fault{name: "connection refused", over: plain, refuses: true}
	blackHole    = fault{name: "no answer", over: anyHTTP, hangs: true, serve: neverAnswer}
	resetEarly   = fault{name: "connection reset before the answer", over: anyHTTP, serve: func(x exchange) { x.connection.reset() }}
	resetMid     = fault{name: "connection reset in the middle of the answer", over: anyHTTP, serve: breakOff}
	slowFirst    = fault{name: "late answer, within the deadline", over: anyHTTP, serve: answerLate}
	slowDrip     = fault{name: "answer that trickles past the deadline", over: anyHTTP, hangs: true, serve: trickle}
	tooManyAfter = fault{name: "429 with `Retry-After`", over: anyHTTP, serve: answer(429, "Retry-After", "1")}
	tooMany      = fault{name: "429", over: anyHTTP, serve: answer(429)}
	status500    = fault{name: "500", over: anyHTTP, serve: answer(500)}
	status503    = fault{name: "503", over: anyHTTP, serve: answer(503)}
	empty        = fault{name: "empty 200", over: anyHTTP, serve: func(x exchange) { x.send(200, "application/json", nil) }}
	truncated    = fault{name: "truncated JSON", over: anyHTTP, serve: truncate}
	page         = fault{name: "web page in place of the answer", over: anyHTTP, serve: webPage}
	mislabelled  = fault{name: "right answer with a wrong content type", over: anyHTTP, serve: mislabel}
	redirect     = fault{name: "307 to another host", over: anyHTTP, serve: sendElsewhere}
	oversized    = fault{name: "answer of 8 MB", over: anyHTTP, serve: inflate}
	surplus      = fault{name: "more bytes than `Content-Length` says", over: plain, serve: overrun}
	notHTTP      = fault{name: "answer that is not HTTP", over: plain, serve: func(x exchange) { x.raw(string(x.babble()) + "\r\n\r\n") }}
	badHeader    = fault{name: "answer with a malformed header", over: plain, serve: malform}
	tlsSilent    = fault{name: "TLS handshake without an answer", over: anyTLS, hangs: true, connect: swallow}
	tlsFailure   = fault{name: "TLS handshake failure", over: anyTLS, connect: alert}
	tlsExpired   = fault{name: "expired certificate", over: anyTLS, connect: expired}
	goAwayUnseen = fault{name: "HTTP/2 GOAWAY before the request was processed", over: onlyH2, connect: goAway(false)}
	goAwaySeen   = fault{name: "HTTP/2 GOAWAY and close after the request was received", over: onlyH2, connect: goAway(true)}
	switching    = fault{name: "101 Switching Protocols", over: plain, serve: switchProtocols}
	coded        = fault{name: "right answer, in gzip that nobody asked for", over: anyHTTP, serve: compress}
	denied       = fault{name: "400 `invalid_client`, once", over: anyHTTP, at: app.HopToken, serve: answer(400)}
	banned       = fault{name: "429 with `Retry-After: 600`, a ban", over: anyHTTP, at: app.HopToken, serve: answer(429, "Retry-After", "600")}
	stale        = fault{name: "kept connection found dead, as after a freeze", over: anyHTTP, stale: true, serve: dieIfKept}
)

func neverAnswer(x exchange) { <-x.request.Context().Done() }

// breakOff cuts its answer in half. An answer to HEAD has no body to cut, and one to
// PUT nothing but a header.
func breakOff(x exchange) {
	good := x.good()
	if len(good.body) == 0 && x.request.Method == http.MethodPut {
		x.raw("HTTP/1.1 200 OK\r\nETa")
		x.connection.reset()
		return
	}
	x.like(good, len(good.body))
	if x.request.Method == http.MethodHead {
		return
	}
	_, _ = x.Write(good.body[:len(good.body)/2])
	_ = http.NewResponseController(x.ResponseWriter).Flush()
	x.connection.reset()
}

func answerLate(x exchange) {
	timer := time.NewTimer(300 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		x.service.clean(x.ResponseWriter, x.request)
	case <-x.request.Context().Done():
	}
}

func trickle(x exchange) { x.drip(x.good(), 1<<20) }

// drip sends an answer of that length, or what there is of it, a byte at a time.
func (x exchange) drip(good *recorder, length int) {
	x.like(good, length)
	if x.request.Method == http.MethodHead {
		return
	}
	if len(good.body) == 0 {
		good.body = []byte("\n")
	}
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for i := 0; ; i++ {
		if _, err := x.Write(good.body[i%len(good.body):][:1]); err != nil {
			return
		}
		_ = http.NewResponseController(x.ResponseWriter).Flush()
		select {
		case <-ticker.C:
		case <-x.request.Context().Done():
			return
		}
	}
}

// answer is an error that repeats every secret it was sent, as debug pages do.
func answer(status int, header ...string) func(exchange) {
	return func(x exchange) {
		for i := 0; i < len(header); i += 2 {
			x.Header().Set(header[i], header[i+1])
		}
		x.send(status, "application/json", x.babble())
	}
}

func truncate(x exchange) {
	good := x.good()
	x.sendLike(good, good.body[:len(good.body)-len(good.body)/4])
}

// switchProtocols hands the connection over, as nobody asked for, and says nothing
// on it.
func switchProtocols(x exchange) {
	x.raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: telepathy\r\n\r\n")
}

func compress(x exchange) {
	good := x.good()
	var body bytes.Buffer
	w := gzip.NewWriter(&body)
	_, _ = w.Write(good.body)
	_ = w.Close()
	good.header.Set("Content-Encoding", "gzip")
	x.sendLike(good, body.Bytes())
}

func mislabel(x exchange) {
	good := x.good()
	good.header.Set("Content-Type", "text/html")
	x.sendLike(good, good.body)
}

func webPage(x exchange) {
	x.send(200, "text/html", []byte("<html><pre>"+string(x.babble())+"</pre></html>"))
}

func sendElsewhere(x exchange) {
	x.Header().Set("Location", x.service.elsewhere+x.request.URL.RequestURI())
	x.send(307, "application/json", x.babble())
}

// inflate pads the answer's JSON, which stays right.
func inflate(x exchange) {
	good := x.good()
	padded := `{"padding":"` + strings.Repeat("x", 8<<20) + `",` + string(good.body[1:])
	x.sendLike(good, []byte(padded))
}

// overrun writes on after the end of its answer, which net/http does not let
// a handler do.
func overrun(x exchange) {
	good := x.good()
	good.header.Set("Content-Length", strconv.Itoa(len(good.body)))
	var header strings.Builder
	_ = good.header.Write(&header)
	// At once: the surplus is there when the answer has been read.
	x.raw(fmt.Sprintf("HTTP/1.1 %d OK\r\n%s\r\n%s%s", good.status, header.String(), good.body, x.babble()))
}

// malform puts what it was sent where net/http's errors quote it.
func malform(x exchange) {
	x.raw("HTTP/1.1 200 OK\r\nContent-Length: " + string(x.babble()) + "\r\n\r\n")
}

// raw answers with bytes of any kind.
func (x exchange) raw(text string) {
	conn, _, err := http.NewResponseController(x.ResponseWriter).Hijack()
	if err != nil {
		return
	}
	x.service.hold(conn)
	_, _ = io.WriteString(conn, text)
}

func dieIfKept(x exchange) {
	if x.connection.served.Load() > 1 {
		x.service.die()
		x.connection.reset()
		return
	}
	x.service.clean(x.ResponseWriter, x.request)
}

func swallow(_ *service, c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// alert answers a ClientHello with the alert handshake_failure (RFC 8446 §6).
func alert(_ *service, c net.Conn) {
	defer c.Close()
	if _, err := c.Read(make([]byte, 4<<10)); err == nil {
		_, _ = c.Write([]byte{21, 3, 3, 0, 2, 2, 40})
	}
}

func expired(s *service, c net.Conn) {
	defer c.Close()
	_ = tls.Server(c, s.tlsConfig(time.Now().Add(-time.Hour))).HandshakeContext(s.t.Context())
}

// good is the answer that would be right.
func (x exchange) good() *recorder {
	r := &recorder{header: http.Header{}, status: http.StatusOK}
	x.service.clean(r, x.request)
	return r
}

// babble is an error's text.
func (x exchange) babble() []byte {
	text, _ := json.Marshal(map[string]string{"error": "failed", "error_description": x.service.babble, "message": x.service.babble})
	return text
}

// send answers with a body and its length.
func (x exchange) send(status int, contentType string, body []byte) {
	x.service.note(body)
	x.announce(status, contentType, len(body))
	_, _ = x.Write(body)
}

// sendLike is send with the status and header of another answer, like announces
// such a one.
func (x exchange) sendLike(good *recorder, body []byte) {
	x.service.note(body)
	x.like(good, len(body))
	_, _ = x.Write(body)
}

func (x exchange) like(good *recorder, length int) {
	maps.Copy(x.Header(), good.header)
	x.announce(good.status, good.header.Get("Content-Type"), length)
}

func (x exchange) announce(status int, contentType string, length int) {
	x.Header().Set("Content-Type", contentType)
	x.Header().Set("Content-Length", strconv.Itoa(length))
	x.WriteHeader(status)
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   []byte
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { r.body = append(r.body, p...); return len(p), nil }

func newBody(b []byte) io.Reader { return bytes.NewReader(b) }
