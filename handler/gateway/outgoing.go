package gateway

import (
	"errors"
	"io"

	"omr-relay/internal/buffer"
	"omr-relay/internal/problem"
)

// replies are the buffers of answers.
var replies buffer.Shelf

const (
	// maxStream is Lambda's limit for a streamed answer: 200 MB.
	maxStream = 200 << 20
	// pieceSize is what one Write carries at most, the prelude included.
	pieceSize = 64 << 10
)

// Outgoing is an answer on its way out.
type Outgoing struct {
	begun *buffer.Buffer // all of a whole answer; what a streamed one begins with
	body  *limited       // where the rest of a streamed one comes from; nil if there is none
	end   error          // of a streamed one: what comes after begun, io.EOF or what broke it off
}

// Report is what a scheduled ping gets: JSON as it is.
func Report(text []byte) *Outgoing {
	out := replies.Take(len(text))
	out.B = append(out.B, text...)
	return &Outgoing{begun: out}
}

// Whole returns an answer that goes in one piece, valid until Release. ok is false
// for one that goes as it arrives.
func (o *Outgoing) Whole() (text []byte, ok bool) {
	if o.body != nil {
		return nil, false
	}
	return o.begun.B, true
}

// WriteTo implements [io.WriterTo]; it is called once. A whole answer goes by one
// Write, a streamed one by one for each piece that arrives. It blocks as the
// answer's body and w do. Errors of both come back as they are.
func (o *Outgoing) WriteTo(w io.Writer) (int64, error) {
	if o.body != nil {
		return o.stream(w)
	}
	n, err := w.Write(o.begun.B)
	return int64(n), err
}

// Release lets go of the buffers, and is called once.
func (o *Outgoing) Release() { o.begun.Release() }

// stream writes what has begun, and then each piece as it arrives.
func (o *Outgoing) stream(w io.Writer) (written int64, err error) {
	for {
		n, err := w.Write(o.begun.B)
		written += int64(n)
		if err != nil {
			return written, err
		}
		if o.end != nil {
			return written, ignoreEOF(o.end)
		}
		o.begun.B = o.begun.B[:pieceSize]
		n, o.end = o.body.next(o.begun.B)
		if o.begun.B = o.begun.B[:n]; n == 0 {
			return written, ignoreEOF(o.end)
		}
	}
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// limited is a body that ends with an error when it is longer than Lambda
// streams.
type limited struct {
	from io.Reader
	read int
}

// next is Read until it brings something: a piece of nothing would end a chunked
// answer.
func (l *limited) next(p []byte) (n int, err error) {
	for n == 0 && err == nil {
		n, err = l.readOnce(p)
	}
	return n, err
}

func (l *limited) readOnce(p []byte) (int, error) {
	n, err := l.from.Read(p)
	if l.read += n; l.read > maxStream {
		return 0, errStreamTooLarge()
	}
	return n, err
}

func errStreamTooLarge() error {
	return &problem.Error{Code: problem.ResponseTooLarge,
		Detail: "The upstream's answer is larger than the 200 MB that Lambda streams. The call was made."}
}
