package handler

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

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
	// streamBuffer is what one Write carries at most. It holds the prelude and
	// all that is held back of a token, which is no longer than 16 KB.
	streamBuffer = 64 << 10
)

// outlet is where an answer is streamed to.
type outlet struct {
	to     io.Writer
	opened bool
	body   int           // bytes of the upstream's body that were written
	took   time.Duration // spent writing
}

// begun reports whether something has been written, so that another answer
// cannot be given any more.
func (o *outlet) begun() bool { return o != nil && o.opened }

// relayed is how much of the upstream's body was written.
func (o *outlet) relayed() int {
	if o == nil {
		return 0
	}
	return o.body
}

// waited is how long whoever takes the answer took.
func (o *outlet) waited() time.Duration {
	if o == nil {
		return 0
	}
	return o.took
}

// write writes a piece of the answer, of which body bytes are the upstream's.
func (o *outlet) write(piece []byte, body int) error {
	o.opened = true
	began := time.Now()
	_, err := o.to.Write(piece)
	o.took += time.Since(began)
	if err != nil {
		return &problem.Error{Code: problem.AnswerNotTaken, Reason: "sending the answer on", Err: err}
	}
	o.body += body
	return nil
}

// sendWhole writes an answer that is there already.
func (inv *invocation) sendWhole() error {
	out := inv.answer.appendPrelude(nil, inv.event.kind)
	return inv.out.write(append(out, inv.answer.body...), 0)
}

// forward writes the upstream's answer as it arrives. What fails before its
// first bytes have come can still be answered with a problem; what fails later
// breaks the answer off.
func (inv *invocation) forward(ctx context.Context, resp *http.Response, body io.Reader, size int64) error {
	if size > maxStream {
		return errStreamTooLarge()
	}
	began := time.Now()
	inv.reply = replies.take(streamBuffer)
	answer := &answer{status: resp.StatusCode, header: responseHeaders(resp.Header)}
	piece := answer.appendPrelude(inv.reply.bytes, inv.event.kind)
	if len(piece) > maxPrelude {
		return &problem.Error{Code: problem.ResponseTooLarge, Detail: "The headers of the upstream's answer are larger than the 16 KB that API Gateway takes. The call was made."}
	}
	head := len(piece) // of the piece: what is not body
	for {
		n, err := body.Read(piece[len(piece):streamBuffer])
		piece = piece[:len(piece)+n]
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			if ctx.Err() != nil && inv.out.took > time.Since(began)/2 {
				return &problem.Error{Code: problem.AnswerNotTaken, Reason: "it was taken too slowly", Err: err}
			}
			return upstreamFault(ctx, err, inv.token.Sent)
		}
		ready := len(piece)
		if inv.out.body+ready-head > maxStream {
			return errStreamTooLarge()
		}
		if ready > head || ended && !inv.out.begun() {
			inv.answer = answer
			if failure := inv.out.write(piece[:ready], ready-head); failure != nil {
				return failure
			}
			piece = append(piece[:0], piece[ready:]...)
			head = 0
		}
		if ended {
			return nil
		}
	}
}

func errStreamTooLarge() error {
	return &problem.Error{Code: problem.ResponseTooLarge,
		Detail: "The upstream's answer is larger than the 200 MB that Lambda streams. The call was made."}
}

// appendPrelude writes what comes before the body.
func (a *answer) appendPrelude(out []byte, k kind) []byte {
	out = append(out, `{"statusCode":`...)
	out = strconv.AppendInt(out, int64(a.status), 10)
	out = a.appendHeaders(out, k)
	out = append(out, '}')
	return append(out, delimiter...)
}
