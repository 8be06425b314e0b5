package gateway

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"omr-relay/internal/jsonscan"
	"omr-relay/internal/problem"
)

// MaxPayload is Lambda's limit for a synchronous invocation, each way: 6 MB.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const MaxPayload = 6 << 20

// Whole reads the answer's body and returns the answer in one piece, as the
// event's sender wants it. Errors of the body come back as they are; a body that
// Lambda would not carry is a [*problem.Error].
func (e *Event) Whole(a *Answer) (*Outgoing, error) {
	if a.Length > MaxPayload {
		return nil, errTooLarge()
	}
	// One byte more tells the end without another buffer.
	body := replies.Take(int(max(a.Length, 0)) + 1)
	defer body.Release()
	if err := body.Fill(a.Body, MaxPayload+1); err != nil {
		return nil, err
	}
	// Counted first: escaped, six megabytes can become thirty-six.
	text, size := measure(body.B)
	if size > MaxPayload {
		return nil, errTooLarge()
	}
	out := replies.Take(size + 1024)
	out.B = e.append(out.B, a, body.B, text)
	if len(out.B) > MaxPayload {
		out.Release()
		return nil, errTooLarge()
	}
	return &Outgoing{begun: out}, nil
}

// measure tells how the body goes out, as text or as base64, and how long it
// will then be. A body that is UTF-8 goes as text: a REST API without binary
// media types hands base64 on as it is.
func measure(body []byte) (text bool, size int) {
	if utf8.Valid(body) {
		return true, jsonscan.QuotedLen(body)
	}
	return false, base64.StdEncoding.EncodedLen(len(body)) + len(`""`)
}

func errTooLarge() error {
	return &problem.Error{Code: problem.ResponseTooLarge,
		Detail: "The upstream's answer is larger than the 6 MB that Lambda returns. The call was made."}
}

// append writes every field that API Gateway and function URLs know, so that
// nothing is left for them to guess.
func (e *Event) append(out []byte, a *Answer, body []byte, text bool) []byte {
	out = e.appendHead(out, a, len(body) > 0)
	out = append(out, `,"isBase64Encoded":`...)
	out = strconv.AppendBool(out, !text)
	out = append(out, `,"body":`...)
	if text {
		out = jsonscan.AppendQuoted(out, body)
	} else {
		out = append(out, '"')
		out = base64.StdEncoding.AppendEncode(out, body)
		out = append(out, '"')
	}
	return append(out, '}')
}

// appendHead begins the object with the status and the headers.
func (e *Event) appendHead(out []byte, a *Answer, hasBody bool) []byte {
	header := a.Header
	if hasBody && strings.Join(header["Content-Type"], "") == "" {
		// API Gateway would call it JSON. What has no type is just bytes (RFC 9110 §8.3).
		header = header.Clone()
		if header == nil {
			header = http.Header{}
		}
		header["Content-Type"] = []string{"application/octet-stream"}
	}
	out = append(out, `{"statusCode":`...)
	out = strconv.AppendInt(out, int64(a.Status), 10)
	if e.format == payload2 {
		return appendHTTPHeaders(out, header)
	}
	return appendRESTHeaders(out, header)
}
