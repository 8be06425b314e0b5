// Command floor is a peer in the benchmark: the least that a relay needs, which
// shows what is left to be gained. It speaks HTTP/1.1 over raw sockets, knows the
// benchmark's events alone, keeps one token for ever, and checks nothing.
package main

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"

	"omr-relay/internal/jsonscan"
)

// getenv is os.Getenv: the peers are programs of their own.
var getenv = os.Getenv //nolint:forbidigo // see above

func main() {
	runtime.GOMAXPROCS(1)
	log.Fatal(run())
}

// run returns why it could not go on.
func run() error {
	base, err := url.Parse(getenv("OMR_BASE_URL"))
	if err != nil {
		return err
	}
	var upstream net.Conn
	if base.Scheme == "https" {
		upstream, err = tls.Dial("tcp", base.Host, &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}) //nolint:noctx // the benchmark ends it
	} else {
		upstream, err = net.Dial("tcp", base.Host) //nolint:noctx // as above
	}
	if err != nil {
		return err
	}
	api, err := net.Dial("tcp", getenv("AWS_LAMBDA_RUNTIME_API")) //nolint:noctx // as above
	if err != nil {
		return err
	}
	f := &floor{api: peer{conn: api, buffer: make([]byte, 7<<20)}, upstream: peer{conn: upstream, buffer: make([]byte, 7<<20)}, host: base.Host}
	if err := f.mint(); err != nil {
		return err
	}
	for {
		if err := f.serve(); err != nil {
			return err
		}
	}
}

// peer is a connection, and the one message that came last.
type peer struct {
	conn   net.Conn
	buffer []byte
}

// read reads a message with a length or in one chunk. Both results are valid
// until the next.
func (p *peer) read() (head, body []byte, err error) {
	n := 0
	more := func() error {
		if n == len(p.buffer) {
			return errors.New("a message too large")
		}
		read, err := p.conn.Read(p.buffer[n:])
		n += read
		return err
	}
	// ending returns the index after the first mark from i on.
	ending := func(i int, mark string) (int, error) {
		for {
			if at := bytes.Index(p.buffer[i:n], []byte(mark)); at >= 0 {
				return i + at + len(mark), nil
			}
			if err := more(); err != nil {
				return 0, err
			}
		}
	}
	begin, err := ending(0, "\r\n\r\n")
	if err != nil {
		return nil, nil, err
	}
	head = p.buffer[:begin]
	var length int64
	tail := 0
	if at := bytes.Index(head, []byte("Content-Length: ")); at >= 0 {
		digits, _, _ := bytes.Cut(head[at+len("Content-Length: "):], []byte("\r\n"))
		length, err = strconv.ParseInt(string(digits), 10, 64)
	} else {
		size := begin
		if begin, err = ending(size, "\r\n"); err != nil {
			return nil, nil, err
		}
		length, err = strconv.ParseInt(string(p.buffer[size:begin-2]), 16, 64)
		tail = len("\r\n0\r\n\r\n")
	}
	for end := begin + int(length) + tail; err == nil && n < end; {
		err = more()
	}
	return head, p.buffer[begin : begin+int(length)], err
}

type floor struct {
	api, upstream peer
	host, bearer  string
	answer        []byte
}

// mint gets the token with the form that the benchmark gives.
func (f *floor) mint() error {
	form := getenv("FLOOR_TOKEN_FORM")
	_, err := fmt.Fprintf(f.upstream.conn, "POST /connect/token HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", f.host, len(form), form)
	if err != nil {
		return err
	}
	_, body, err := f.upstream.read()
	if err != nil {
		return err
	}
	token, ok := member(body, "access_token")
	if !ok {
		return fmt.Errorf("no token in %.300s", body)
	}
	f.bearer = string(token)
	return nil
}

// serve serves one event.
func (f *floor) serve() error {
	if _, err := io.WriteString(f.api.conn, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: api\r\n\r\n"); err != nil {
		return err
	}
	head, event, err := f.api.read()
	if err != nil {
		return err
	}
	_, id, _ := strings.Cut(string(head), "Lambda-Runtime-Aws-Request-Id: ")
	id, _, _ = strings.Cut(id, "\r\n")
	raw, _ := member(event, "body")
	rest := event[max(0, bytes.Index(event, []byte(`"body"`)))+len(raw):] // the members are sorted
	method, _ := member(rest, "httpMethod")
	path, _ := member(rest, "path")
	target := string(path)
	if _, query, ok := bytes.Cut(rest, []byte(`"queryStringParameters":{"id":"`)); ok {
		query, _, _ = bytes.Cut(query, []byte(`"`))
		target += "?id=" + string(query)
	}
	line := string(method) + " " + target
	encoded := bytes.Contains(rest, []byte(`"isBase64Encoded":true`))
	body, err := decode(raw, encoded)
	if err != nil {
		return err
	}
	request := fmt.Sprintf("%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", line, f.host, f.bearer, len(body))
	parts := net.Buffers{[]byte(request), body}
	if _, err := parts.WriteTo(f.upstream.conn); err != nil {
		return err
	}
	_, reply, err := f.upstream.read()
	if err != nil {
		return err
	}
	f.answer = append(f.answer[:0], `{"statusCode":200,"body":`...)
	f.answer = append(jsonscan.AppendQuoted(f.answer, reply), '}')
	parts = net.Buffers{fmt.Appendf(nil, "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: api\r\nContent-Length: %d\r\n\r\n", id, len(f.answer)), f.answer}
	if _, err := parts.WriteTo(f.api.conn); err != nil {
		return err
	}
	_, _, err = f.api.read()
	return err
}

// decode has the body in the place where its text was.
func decode(raw []byte, encoded bool) ([]byte, error) {
	if encoded {
		n, err := base64.StdEncoding.Decode(raw, raw)
		return raw[:n], err
	}
	out := raw[:0]
	for len(raw) > 0 {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return append(out, raw...), nil
		}
		if raw[i+1] != '"' {
			return nil, errors.New("an escape that the benchmark's events do not have")
		}
		out = append(append(out, raw[:i]...), '"')
		raw = raw[i+2:]
	}
	return out, nil
}

// member returns the text of the first member of that name, escapes and all.
func member(text []byte, name string) ([]byte, bool) {
	mark := []byte(`"` + name + `":"`)
	at := bytes.Index(text, mark)
	if at < 0 {
		return nil, false
	}
	text = text[at+len(mark):]
	for end := 0; ; end++ {
		quote := bytes.IndexByte(text[end:], '"')
		if quote < 0 {
			return nil, false
		}
		if end += quote; end == 0 || text[end-1] != '\\' {
			return text[:end], true
		}
	}
}
