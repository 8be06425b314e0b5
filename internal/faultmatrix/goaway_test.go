package faultmatrix

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
)

// The parts of HTTP/2 (RFC 9113) that it takes to read one request and leave.
const (
	preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

	frameData     = 0
	frameHeaders  = 1
	frameSettings = 4
	frameGoAway   = 7

	flagEndStream = 1

	codeNone     = 0
	codeInternal = 2
)

// goAway reads one request and answers it with GOAWAY. If it was seen, it may
// have been processed, which the frame says, and the connection ends; if not,
// RFC 9113 §6.8 lets the client send it again. As when a server drains, only
// the first connection is met by it.
func goAway(seen bool) func(*service, net.Conn) {
	return func(s *service, c net.Conn) {
		s.heal()
		defer c.Close()
		secure := tls.Server(c, s.secure)
		if secure.HandshakeContext(s.t.Context()) != nil {
			return
		}
		if _, err := io.ReadFull(secure, make([]byte, len(preface))); err != nil {
			return
		}
		writeFrame(secure, frameSettings, nil)
		stream, err := readRequest(secure)
		if err != nil {
			return
		}
		last, code := uint32(0), uint32(codeNone)
		if seen {
			last, code = stream, codeInternal
		}
		s.count()
		payload := binary.BigEndian.AppendUint32(nil, last)
		writeFrame(secure, frameGoAway, binary.BigEndian.AppendUint32(payload, code))
		if !seen {
			_, _ = io.Copy(io.Discard, secure) // until the client leaves
		}
	}
}

// readRequest reads frames until a request is whole and returns its stream.
func readRequest(r io.Reader) (stream uint32, err error) {
	for {
		var head [9]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return 0, err
		}
		length := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, r, length); err != nil {
			return 0, err
		}
		kind, flags := head[3], head[4]
		if (kind == frameHeaders || kind == frameData) && flags&flagEndStream != 0 {
			return binary.BigEndian.Uint32(head[5:]), nil
		}
	}
}

func writeFrame(w io.Writer, kind byte, payload []byte) {
	frame := []byte{0, 0, byte(len(payload)), kind, 0, 0, 0, 0, 0}
	_, _ = w.Write(append(frame, payload...))
}
