package main

import (
	"bufio"
	"net"
	"net/http"

	"omr-relay/internal/sandbox"
)

// accept has serve answer connections from l until it is closed.
func (u *upstream) accept(l net.Listener, serve func(net.Conn)) {
	u.closers = append(u.closers, l.Close)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
}

// converse answers the requests of one connection until the caller hangs up.
func (u *upstream) converse(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 16<<10)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if err := u.answer(conn, req); err != nil || req.Close {
			return
		}
	}
}

func (u *upstream) answer(conn net.Conn, req *http.Request) error {
	if req.URL.Path == sandbox.TokenPath {
		resp, err := u.tokens.RoundTrip(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		return resp.Write(conn)
	}
	if req.Method == http.MethodHead {
		_, err := conn.Write([]byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
		return err
	}
	r, err := u.receive(req)
	if err != nil {
		return err
	}
	_, err = conn.Write(r.wire)
	return err
}

// receive takes in a relayed call and returns the reply to it. One call comes
// at a time, so one buffer does.
func (u *upstream) receive(req *http.Request) (reply, error) {
	body, err := readInto(u.buffer, req.Body)
	if err != nil {
		return reply{}, err
	}
	return u.note(req, body), nil
}

// note remembers a call for verify.
func (u *upstream) note(req *http.Request, body []byte) reply {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.received = arrival{
		calls:         u.received.calls + 1,
		method:        req.Method,
		target:        req.RequestURI,
		authorization: req.Header["Authorization"],
		body:          body,
	}
	return u.reply
}
