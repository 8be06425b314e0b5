package lambdaruntime

import (
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// stream sends an invocation's answer as it is written, one chunk for each
// Write:
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming
//
// Write blocks until the API has taken the bytes, or until shortly before the
// invocation's deadline. It is for one goroutine.
type stream struct {
	conn        *connection
	id          string
	contentType string
	deadline    time.Time // of all of it
	dial        func() (conn net.Conn, fresh bool, err error)
	begun       bool
	peer        net.Conn // that the first chunk went out on
	err         error    // of the Write that failed; nothing follows it
}

const (
	errorTypeTrailer = "Lambda-Runtime-Function-Error-Type"
	errorBodyTrailer = "Lambda-Runtime-Function-Error-Body"
)

// Write implements [io.Writer].
func (s *stream) Write(p []byte) (int, error) {
	if s.err != nil || len(p) == 0 {
		return 0, s.err
	}
	if s.err = s.send(p); s.err != nil {
		return 0, s.err
	}
	return len(p), nil
}

// send writes a chunk, and before the first one the request's head.
func (s *stream) send(p []byte) error {
	l := s.conn
	if s.begun {
		l.head = l.head[:0]
	} else {
		l.beginPost(s.id, "/response", s.contentType)
		l.head = append(l.head, "Lambda-Runtime-Function-Response-Mode: streaming\r\n"+
			"Transfer-Encoding: chunked\r\n"+
			"Trailer: "+errorTypeTrailer+", "+errorBodyTrailer+"\r\n\r\n"...)
	}
	l.head = strconv.AppendInt(l.head, int64(len(p)), 16)
	l.head = append(l.head, "\r\n"...)
	if s.begun {
		_, err := s.write(p)
		return err
	}
	s.begun = true
	for {
		conn, fresh, err := s.dial()
		if err != nil {
			return err
		}
		s.peer = conn
		_ = conn.SetDeadline(s.deadline)
		n, err := s.write(p)
		if err == nil {
			return nil
		}
		l.close()
		// A connection that served before may have been closed meanwhile. If
		// that does not show at once, it is too late.
		if fresh || n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

// write writes the loop's head and a chunk's bytes by one system call.
func (s *stream) write(p []byte) (int64, error) {
	buffers := net.Buffers{s.conn.head, p, []byte("\r\n")}
	return buffers.WriteTo(s.peer)
}

// broken reports whether a Write has failed: the API has a part of the answer at
// most.
func (s *stream) broken() bool { return s.err != nil }

// end ends the stream, by an error if cause is one, and reads the API's answer.
// A connection that the API closed without a word is an error here, where
// roundTrip would send the answer again: most of this one may have been taken.
func (s *stream) end(cause error) error {
	l := s.conn
	l.head = append(l.head[:0], "0\r\n"...)
	if cause != nil {
		body := base64.StdEncoding.EncodeToString(functionError(cause))
		l.head = append(l.head, errorTypeTrailer+": "+errorType(cause)+"\r\n"+errorBodyTrailer+": "+body+"\r\n"...)
	}
	l.head = append(l.head, "\r\n"...)
	_, failed := s.peer.Write(l.head)
	// The answer may be there all the same, if it came before the stream's end.
	resp, err := l.response(&http.Request{Method: http.MethodPost})
	if err != nil {
		l.close()
		if cause != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			return nil // the invocation is over, and the cause is in the log
		}
		return errors.Join(failed, err)
	}
	err = accepted(resp)
	_ = s.peer.SetDeadline(time.Time{}) // unless it is closed
	if failed != nil {
		l.close()
	}
	return err
}
