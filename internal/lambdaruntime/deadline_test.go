package lambdaruntime

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// streamOver is a stream over a kept connection whose other end is api.
func streamOver(deadline time.Time) (s *stream, api net.Conn) {
	conn, api := net.Pipe()
	kept := &connection{addr: "api", conn: conn, in: bufio.NewReader(conn)}
	return &stream{conn: kept, id: "1", deadline: deadline, dial: func() (net.Conn, bool, error) { return conn, false, nil }}, api
}

// TestStreamLeavesNoDeadline on the connection: the next poll may take hours.
func TestStreamLeavesNoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, api := streamOver(time.Now().Add(time.Second))
		go func() {
			req, err := http.ReadRequest(bufio.NewReader(api))
			if err == nil {
				_, err = io.Copy(io.Discard, req.Body)
			}
			if err == nil {
				_, err = io.WriteString(api, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
			}
			if err != nil {
				t.Error(err)
			}
			<-time.After(time.Hour)
			_, _ = api.Write([]byte("x"))
		}()
		_, err := io.WriteString(s, "whole")
		if err = errors.Join(err, s.end(nil)); err != nil {
			t.Fatal(err)
		}
		if b, err := s.conn.in.ReadByte(); b != 'x' || err != nil {
			t.Errorf("an hour later: %v", err)
		}
		_ = api.Close()
		s.conn.close()
	})
}

// TestStreamKeepsTimeToSaySo ends what nobody takes before the invocation ends,
// and after the handler would have ended it.
func TestStreamKeepsTimeToSaySo(t *testing.T) {
	for left, want := range map[time.Duration]time.Duration{
		25 * time.Second: 24900 * time.Millisecond, time.Second: 950 * time.Millisecond, 100 * time.Millisecond: 95 * time.Millisecond,
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			s, api := streamOver(invocation{deadline: began.Add(left)}.writingEnds())
			_, err := io.WriteString(s, "nobody reads this")
			if took := time.Since(began); !errors.Is(err, os.ErrDeadlineExceeded) || took != want || !s.broken() {
				t.Errorf("%v: %v after %v, want %v", left, err, took, want)
			}
			_ = api.Close()
		})
	}
}

// TestStreamWhoseEndNobodyTakes is an error only if nobody has logged one.
func TestStreamWhoseEndNobodyTakes(t *testing.T) {
	for _, cause := range []error{nil, io.ErrUnexpectedEOF} {
		synctest.Test(t, func(t *testing.T) {
			s, api := streamOver(time.Now().Add(time.Second))
			go func() {
				_, _ = api.Read(make([]byte, 4096)) // the head
				_, _ = api.Read(make([]byte, 4096)) // a chunk
				_, _ = api.Read(make([]byte, 4096)) // its end
			}()
			if _, err := io.WriteString(s, "begun"); err != nil {
				t.Fatal(err)
			}
			if err := s.end(cause); (err != nil) != (cause == nil) {
				t.Errorf("broken off by %v: %v", cause, err)
			}
			if s.conn.conn != nil {
				t.Error("the connection is kept in the middle of a request")
			}
			_ = api.Close()
		})
	}
}
