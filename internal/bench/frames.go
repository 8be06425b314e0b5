package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"omr-relay/internal/sandbox"
)

// The limits of Kestrel, ASP.NET Core's server, as it comes. net/http's own would
// take frames of 1 MB and give back what it has read of a window at once, for the
// sender to read 500 frames more: few servers do either.
const (
	frameSize    = 16 << 10
	streamWindow = 768 << 10
	connWindow   = 1 << 20
	streams      = 100
)

// frames is one HTTP/2 connection. Requests come one after the other, as the
// benchmark makes them.
type frames struct {
	up     *upstream
	conn   net.Conn
	framer *http2.Framer
	head   bytes.Buffer // encoded headers
	hpack  *hpack.Encoder

	req              *http.Request
	id               uint32 // of its stream
	body             []byte // what has come of it
	stream, together int    // bytes taken whose windows have not been given back
}

// frame serves an HTTP/2 connection until the caller hangs up.
func (u *upstream) frame(conn net.Conn) {
	defer conn.Close()
	in, out := bufio.NewReaderSize(conn, 32<<10), bufio.NewWriterSize(conn, 32<<10)
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(in, preface); err != nil || string(preface) != http2.ClientPreface {
		return
	}
	f := &frames{up: u, conn: conn, framer: http2.NewFramer(out, in)}
	f.framer.SetMaxReadFrameSize(frameSize)
	f.framer.SetReuseFrames()
	f.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.hpack = hpack.NewEncoder(&f.head)
	err := errors.Join(f.framer.WriteSettings(
		http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: streams},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow},
		http2.Setting{ID: http2.SettingMaxFrameSize, Val: frameSize},
	), f.framer.WriteWindowUpdate(0, connWindow-65535))
	for err == nil {
		if in.Buffered() == 0 {
			err = out.Flush()
		}
		if err == nil {
			err = f.next()
		}
	}
}

// next takes one frame.
func (f *frames) next() error {
	frame, err := f.framer.ReadFrame()
	if err != nil {
		return err
	}
	switch frame := frame.(type) {
	case *http2.SettingsFrame:
		if !frame.IsAck() {
			return f.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !frame.IsAck() {
			return f.framer.WritePing(true, frame.Data)
		}
	case *http2.MetaHeadersFrame:
		if f.req, err = request(frame); err != nil {
			return err
		}
		f.id, f.body, f.stream = frame.StreamID, f.up.buffer[:0], 0
		if frame.StreamEnded() {
			return f.answer()
		}
	case *http2.DataFrame:
		return f.take(frame)
	}
	return nil
}

// request is what the headers ask for, without its body.
func request(frame *http2.MetaHeadersFrame) (*http.Request, error) {
	req := &http.Request{Method: frame.PseudoValue("method"), RequestURI: frame.PseudoValue("path"), Header: http.Header{}}
	var err error
	if req.URL, err = url.ParseRequestURI(req.RequestURI); err != nil {
		return nil, err
	}
	for _, field := range frame.RegularFields() {
		req.Header.Add(field.Name, field.Value)
	}
	return req, nil
}

// take takes a part of the body, and gives windows back as they are half used up.
func (f *frames) take(frame *http2.DataFrame) error {
	if len(f.body)+len(frame.Data()) > cap(f.body) {
		return fmt.Errorf("more than %d bytes", cap(f.body))
	}
	f.body = append(f.body, frame.Data()...)
	f.stream += int(frame.Length)
	f.together += int(frame.Length)
	if f.together >= connWindow/2 {
		if err := f.framer.WriteWindowUpdate(0, uint32(f.together)); err != nil {
			return err
		}
		f.together = 0
	}
	if frame.StreamEnded() {
		return f.answer()
	}
	if f.stream >= streamWindow/2 {
		if err := f.framer.WriteWindowUpdate(f.id, uint32(f.stream)); err != nil {
			return err
		}
		f.stream = 0
	}
	return nil
}

// answer answers the request that has come. No answer is larger than the window
// that Go's client gives.
func (f *frames) answer() error {
	f.req.Body = io.NopCloser(bytes.NewReader(f.body))
	f.req.ContentLength = int64(len(f.body))
	switch {
	case f.req.URL.Path == sandbox.TokenPath:
		resp, err := f.up.tokens.RoundTrip(f.req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		return f.write(resp.StatusCode, resp.Header.Get("Content-Type"), body)
	case f.req.Method == http.MethodHead:
		return f.write(http.StatusNotFound, "text/plain", nil)
	default:
		r := f.up.note(f.req, f.body)
		return f.write(http.StatusOK, r.contentType, r.body)
	}
}

func (f *frames) write(status int, contentType string, body []byte) error {
	f.head.Reset()
	err := errors.Join(
		f.hpack.WriteField(hpack.HeaderField{Name: ":status", Value: strconv.Itoa(status)}),
		f.hpack.WriteField(hpack.HeaderField{Name: "content-type", Value: contentType}),
		f.hpack.WriteField(hpack.HeaderField{Name: "content-length", Value: strconv.Itoa(len(body))}),
		f.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: f.id, BlockFragment: f.head.Bytes(), EndHeaders: true, EndStream: len(body) == 0}),
	)
	for len(body) > 0 && err == nil {
		piece := body[:min(len(body), frameSize)]
		body = body[len(piece):]
		err = f.framer.WriteData(f.id, len(body) == 0, piece)
	}
	return err
}
