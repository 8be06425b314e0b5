package lambdaruntime

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
)

// connection is the one to the Runtime API, kept from one request to the next. But
// for close it is for one goroutine.
type connection struct {
	addr string

	mu   sync.Mutex // guards conn against the end of a poll
	conn net.Conn   // nil before it is needed and after it broke

	in   *bufio.Reader
	head []byte // of the request at hand
}

const path = "/2018-06-01/runtime/invocation/"

// beginPost puts the beginning of a request about the invocation into c.head.
func (c *connection) beginPost(id, verb, contentType string) {
	c.head = append(c.head[:0], "POST "+path+id+verb+" HTTP/1.1\r\nHost: "+c.addr+
		"\r\nUser-Agent: omr-relay\r\nContent-Type: "+contentType+"\r\n"...)
}

// accepted reads the API's answer to an answer. One that is too large is for
// Lambda to report; it ends nothing here.
func accepted(resp *http.Response) error {
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted && resp.StatusCode != http.StatusRequestEntityTooLarge {
		return fmt.Errorf("the Runtime API answered %d", resp.StatusCode)
	}
	_, err := io.Copy(io.Discard, resp.Body)
	return err
}

// post sends a body in one piece, in the request that was begun.
func (c *connection) post(ctx context.Context, body []byte) error {
	c.head = append(c.head, "Content-Length: "...)
	c.head = strconv.AppendInt(c.head, int64(len(body)), 10)
	c.head = append(c.head, "\r\n\r\n"...)
	resp, err := c.roundTrip(ctx, &http.Request{Method: http.MethodPost}, body)
	if err != nil {
		return err
	}
	return accepted(resp)
}

// roundTrip sends the head and body and reads the head of the answer. A
// connection that had served before may have been closed meanwhile: then it is
// tried once more on a new one.
func (c *connection) roundTrip(ctx context.Context, req *http.Request, body []byte) (*http.Response, error) {
	for {
		conn, fresh, err := c.connect(ctx)
		if err != nil {
			return nil, err
		}
		// One system call for both, without a copy.
		buffers := net.Buffers{c.head, body}
		if _, err = buffers.WriteTo(conn); err == nil {
			var resp *http.Response
			if resp, err = c.response(req); err == nil {
				return resp, nil
			}
		}
		c.close()
		if fresh {
			return nil, err
		}
	}
}

// response reads the head of the API's answer to req.
func (c *connection) response(req *http.Request) (*http.Response, error) {
	resp, err := http.ReadResponse(c.in, req)
	if err == nil && resp.Close {
		resp.Body = closing{resp.Body, c}
	}
	return resp, err
}

// connect returns the connection, and whether it is a new one.
func (c *connection) connect(ctx context.Context) (net.Conn, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		return c.conn, false, nil
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return nil, true, err
	}
	c.conn, c.in = conn, bufio.NewReaderSize(conn, 8<<10)
	return conn, true, nil
}

func (c *connection) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// closing is the body of an answer after which the API closes the connection.
type closing struct {
	io.ReadCloser
	connection *connection
}

func (b closing) Close() error {
	err := b.ReadCloser.Close()
	b.connection.close()
	return err
}
