package handler_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// wireRequest is a request as its bytes came over a connection.
type wireRequest struct {
	conn   int // counts from 1
	line   string
	fields []string // header lines, sorted
	body   []byte
}

func (r wireRequest) String() string {
	return r.line + "\n" + strings.Join(r.fields, "\n") + "\n\n" + strconv.Quote(string(r.body)) + "\n"
}

func (r wireRequest) method() string {
	method, _, _ := strings.Cut(r.line, " ")
	return method
}

// rawUpstream is an upstream that shows requests as they are on the wire: what
// net/http would make of them does not come between.
type rawUpstream struct {
	t      *testing.T
	l      net.Listener
	answer func(wireRequest) string

	mu    sync.Mutex // guards what follows
	seen  []wireRequest
	conns []net.Conn
}

const plainOK = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"

// okTo answers HEAD without the body that it speaks of.
func okTo(r wireRequest) string {
	if r.method() == http.MethodHead {
		return strings.TrimSuffix(plainOK, "ok")
	}
	return plainOK
}

// hangUp at the end of an answer is not sent: the connection is closed there.
const hangUp = "\x00hang up"

// listenRaw serves until the test ends. answer returns the bytes to send back;
// the connection is kept unless they end with hangUp.
func listenRaw(t *testing.T, answer func(wireRequest) string) *rawUpstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &rawUpstream{t: t, l: l, answer: answer}
	var serving sync.WaitGroup
	serving.Go(func() {
		for n := 1; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			u.mu.Lock()
			u.conns = append(u.conns, conn)
			u.mu.Unlock()
			serving.Go(func() { u.serve(n, conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		u.mu.Lock()
		for _, conn := range u.conns {
			conn.Close()
		}
		u.mu.Unlock()
		serving.Wait()
	})
	return u
}

func (u *rawUpstream) url() string { return "http://" + u.l.Addr().String() }

func (u *rawUpstream) requests() []wireRequest {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.seen)
}

func (u *rawUpstream) connections() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.conns)
}

func (u *rawUpstream) serve(n int, conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		r, err := readRaw(in)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
				u.t.Errorf("connection %d: %v", n, err)
			}
			return
		}
		r.conn = n
		for i, field := range r.fields {
			r.fields[i] = strings.ReplaceAll(field, u.l.Addr().String(), "upstream.test")
		}
		u.mu.Lock()
		u.seen = append(u.seen, r)
		u.mu.Unlock()
		answer, last := strings.CutSuffix(u.answer(r), hangUp)
		if _, err := io.WriteString(conn, answer); err != nil || last {
			return
		}
	}
}

// readRaw wants CRLF and Content-Length: a relayed body is whole and is never
// sent in chunks.
func readRaw(in *bufio.Reader) (wireRequest, error) {
	var r wireRequest
	line, err := in.ReadString('\n')
	if err != nil {
		return r, err
	}
	r.line = strings.TrimSuffix(line, "\r\n")
	length := 0
	for {
		if line, err = in.ReadString('\n'); err != nil {
			return r, err
		}
		field, ok := strings.CutSuffix(line, "\r\n")
		if !ok {
			return r, fmt.Errorf("a bare line feed ends %q", line)
		}
		if field == "" {
			break
		}
		name, value, _ := strings.Cut(field, ": ")
		switch name {
		case "Content-Length":
			if length, err = strconv.Atoi(value); err != nil {
				return r, err
			}
		case "Transfer-Encoding":
			return r, errors.New("the body comes in chunks")
		}
		r.fields = append(r.fields, field)
	}
	slices.Sort(r.fields)
	r.body = make([]byte, length)
	_, err = io.ReadFull(in, r.body)
	return r, err
}

// rawAnswer is an HTTP/1.1 answer with a length.
func rawAnswer(status int, body string) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\n\r\n%s", status, http.StatusText(status), len(body), body)
	return b.String()
}
