package httpanswer

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
)

const (
	// maxCodings is how many codings may lie upon one another. More than one is
	// rare, and each can make a thousand bytes out of one.
	maxCodings = 3
	// maxDecoded is how many bytes may come out of one coding: more than Lambda
	// takes of an answer, whole or streamed (200 MB).
	maxDecoded = 208 << 20
)

// Decode gives resp the body that its content codings (RFC 9110 §8.4.1) hide:
// gzip, x-gzip and deflate, also in chains. Content-Encoding and Content-Length go,
// since they are no longer true. Nobody asked for a coding, so any other one is an
// [*Error]. An answer that is not coded stays as it is.
//
// Decode does not read: what cannot be decoded is an [*Error] from the body's Read;
// errors of the body underneath come as they are. Read passes no more than 208 MB
// through any of the codings.
func Decode(resp *http.Response) error {
	codings, err := codingsOf(resp.Header)
	if err != nil || len(codings) == 0 {
		return err
	}
	resp.Header.Del("Content-Encoding")
	resp.Header.Del("Content-Length")
	resp.ContentLength, resp.Uncompressed = -1, true
	if resp.Body == http.NoBody {
		return nil
	}
	source := &source{r: resp.Body}
	var decoded io.Reader = source
	for _, coding := range slices.Backward(codings) { // they are listed in the order in which they were applied
		decoded = &decoder{coding: coding, coded: decoded, source: source}
	}
	resp.Body = &decodedBody{Reader: decoded, Closer: resp.Body}
	return nil
}

type decodedBody struct {
	io.Reader
	io.Closer
}

func codingsOf(header http.Header) ([]string, error) {
	var codings []string
	for _, line := range header["Content-Encoding"] {
		for name := range strings.SplitSeq(line, ",") {
			switch name = strings.ToLower(strings.TrimSpace(name)); name {
			case "", "identity":
			case "gzip", "x-gzip", "deflate":
				codings = append(codings, strings.TrimPrefix(name, "x-"))
			default:
				return nil, &Error{reason: "the answer has a content coding that was not asked for and is not known"}
			}
		}
	}
	if len(codings) > maxCodings {
		return nil, &Error{reason: "the answer has too many content codings"}
	}
	return codings, nil
}

// source is the body, and remembers its own failure: a decoder would take it for
// one of the coding.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// decoder undoes one coding.
type decoder struct {
	coding  string
	coded   io.Reader
	source  *source
	decoded io.Reader // nil until the first Read
	size    int64
	err     error
}

// Read implements [io.Reader].
func (d *decoder) Read(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	var n int
	var err error
	if d.decoded == nil {
		err = d.begin()
	}
	if err == nil {
		n, err = d.decoded.Read(p)
	}
	if d.size += int64(n); d.size > maxDecoded {
		n, err = 0, &Error{reason: "the answer is too large once it is decoded"}
	}
	if err != nil {
		d.err = d.explain(err)
	}
	return n, d.err
}

func (d *decoder) begin() (err error) {
	buffered := bufio.NewReader(d.coded)
	head, err := buffered.Peek(2)
	if len(head) == 0 {
		return err // an answer without a body, to HEAD for one, is none of the coding
	}
	if d.coding == "gzip" {
		d.decoded, err = gzip.NewReader(buffered)
		return err
	}
	// deflate is the zlib format, and has at all times been sent without it by
	// some (RFC 9110 §8.4.1.2).
	if len(head) == 2 && head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
		d.decoded, err = zlib.NewReader(buffered)
		return err
	}
	d.decoded = flate.NewReader(buffered)
	return nil
}

func (d *decoder) explain(err error) error {
	var ours *Error
	switch {
	case d.source.err != nil:
		return d.source.err
	case errors.Is(err, io.EOF), errors.As(err, &ours):
		return err
	default:
		return &Error{reason: "the answer is not of the content coding that it names", err: err}
	}
}
