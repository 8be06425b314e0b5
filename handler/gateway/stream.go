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
	return &Outgoing{begun: piece, body: body, end: err}, nil
}
