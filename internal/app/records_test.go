package app

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// wire keeps what comes in over its connections.
type wire struct {
	net.Listener
	mu   sync.Mutex // guards what follows
	came bytes.Buffer
}

func (w *wire) Accept() (net.Conn, error) {
	conn, err := w.Listener.Accept()
	return wireConn{conn, w}, err
}

type wireConn struct {
	net.Conn
	wire *wire
}

func (c wireConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	c.wire.came.Write(p[:n])
	return n, err
}

// records returns the sizes of the TLS records with data that have come.
func (w *wire) records() (sizes []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for b := w.came.Bytes(); len(b) >= 5; {
		size := int(binary.BigEndian.Uint16(b[3:]))
		if b[0] == 23 {
			sizes = append(sizes, size)
		}
		b = b[min(len(b), 5+size):]
	}
	return sizes
}

// TestWholeRecords has a body arrive as it was sent, in as few records as it can,
// whatever frames the server takes.
func TestWholeRecords(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for _, frame := range []int{16 << 10, 20_000, 1 << 20} {
		var got []byte
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, _ = io.ReadAll(r.Body) }))
		srv.EnableHTTP2 = true
		srv.Config.HTTP2 = &http.HTTP2Config{MaxReadFrameSize: frame, MaxReceiveBufferPerStream: 4 << 20, MaxReceiveBufferPerConnection: 4 << 20}
		w := &wire{Listener: srv.Listener}
		srv.Listener = w
		srv.StartTLS()
		transport := newTransport(newTLSDialer())
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := wholeRecords{transport}.RoundTrip(req)
		if err != nil || resp.ProtoMajor != 2 {
			t.Fatalf("%v over %v", err, resp)
		}
		_ = resp.Body.Close()
		transport.CloseIdleConnections()
		srv.Close()
		if !bytes.Equal(got, body) {
			t.Errorf("frames of %d: %d bytes arrived", frame, len(got))
		}
		// crypto/tls begins with small records, for the sake of the first bytes.
		sizes := w.records()
		tail := 0
		for _, size := range sizes[len(sizes)/2:] {
			if size < 1<<10 {
				tail++
			}
		}
		if tail > 3 { // the last piece, and what ends the connection
			t.Errorf("frames of %d: %d of %d records are small: %d", frame, tail, len(sizes), sizes)
		}
	}
}
