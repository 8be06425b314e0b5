package gateway

import (
	"errors"
	"io"

	"omr-relay/internal/problem"
)

// The streaming format is the answer's status and headers in JSON, a delimiter,
// and the body as it is:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html
const (
	delimiter = "\x00\x00\x00\x00\x00\x00\x00\x00"
	// maxPrelude is within which the delimiter must come.
	maxPrelude = 16 << 10
	// maxStream is Lambda's limit for a streamed answer: 200 MB.
	maxStream = 200 << 20
	// pieceSize is what one Write carries at most, the prelude included.
	pieceSize = 64 << 10
)

// Stream returns the answer as one that goes while its body arrives. It blocks
// until the body's first bytes are there: what fails before them can still be
// answered otherwise. Errors of the body come back as they are; an answer that
// Lambda would not carry is a [*problem.Error].
func (e *Event) Stream(a *Answer) (*Outgoing, error) {
	if a.Length > maxStream {
		return nil, errStreamTooLarge()
	}
	piece := replies.Take(pieceSize)
	piece.B = append(e.appendHead(piece.B, a, a.Length != 0), '}')
	piece.B = append(piece.B, delimiter...)
	if len(piece.B) > maxPrelude {
		piece.Release()
		return nil, &problem.Error{Code: problem.ResponseTooLarge,
			Detail: "The headers of the upstream's answer are larger than the 16 KB that API Gateway takes. The call was made."}
	}
	body := &limited{from: a.Body}
	n, err := body.next(piece.B[len(piece.B):pieceSize])
	if err != nil && !errors.Is(err, io.EOF) {
		piece.Release()
		return nil, err
	}
	piece.B = piece.B[:len(piece.B)+n]
	return &Outgoing{begun: piece, body: body, ended: err != nil}, nil
}

// stream writes what has begun, and then each piece as it arrives.
func (o *Outgoing) stream(w io.Writer) (written int64, err error) {
	for {
		n, err := w.Write(o.begun.B)
		written += int64(n)
		if err != nil || o.ended {
			return written, err
		}
		o.begun.B = o.begun.B[:pieceSize]
		n, err = o.body.next(o.begun.B)
		o.begun.B = o.begun.B[:n]
		o.ended = errors.Is(err, io.EOF)
		if err != nil && !o.ended || o.ended && n == 0 {
			return written, ignoreEOF(err)
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
