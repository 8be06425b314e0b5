package handler

import (
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"omr-relay/internal/jsonscan"
	"omr-relay/internal/problem"
)

// maxPayload is Lambda's limit for a synchronous invocation, each way: 6 MB.
const maxPayload = 6 << 20

// answer is what the caller gets.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func healthy() *answer {
	return &answer{
		status: http.StatusOK,
		header: http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}},
		body:   []byte(`{"status":"ok"}`),
	}
}

// encode writes the answer as the event's kind wants it, or a problem in its
// place if Lambda would not carry it.
func (h *Handler) encode(inv *invocation, dst []byte) []byte {
	// Counted first: escaped, six megabytes can become thirty-six.
	if text, size := inv.answer.measure(); size <= maxPayload {
		if out := inv.answer.append(dst, inv.event.kind, text, size); len(out)-len(dst) <= maxPayload {
			return out
		}
	}
	inv.err = errTooLarge()
	inv.answer = problemAnswer(inv.err, inv.id)
	return inv.answer.encode(dst, inv.event.kind)
}

// measure tells how the body goes out, as text or as base64, and how long it
// will then be. A body that is UTF-8 goes as text: a REST API without binary
// media types hands base64 on as it is.
func (a *answer) measure() (text bool, size int) {
	if utf8.Valid(a.body) {
		return true, jsonscan.QuotedLen(a.body)
	}
	return false, base64.StdEncoding.EncodedLen(len(a.body)) + len(`""`)
}

func errTooLarge() error {
	return &problem.Error{Code: problem.ResponseTooLarge,
		Detail: "The upstream's answer is larger than the 6 MB that Lambda returns. The call was made."}
}

// encode appends the answer as the event's kind wants it.
func (a *answer) encode(dst []byte, k kind) []byte {
	text, size := a.measure()
	return a.append(dst, k, text, size)
}

// append writes every field that API Gateway and function URLs know, so that
// nothing is left for them to guess.
func (a *answer) append(dst []byte, k kind, text bool, size int) []byte {
	out := append(slices.Grow(dst, size+1024), `{"statusCode":`...)
	out = strconv.AppendInt(out, int64(a.status), 10)
	out = a.appendHeaders(out, k)
	out = append(out, `,"isBase64Encoded":`...)
	out = strconv.AppendBool(out, !text)
	out = append(out, `,"body":`...)
	if text {
		out = jsonscan.AppendQuoted(out, a.body)
	} else {
		out = append(out, '"')
		out = base64.StdEncoding.AppendEncode(out, a.body)
		out = append(out, '"')
	}
	return append(out, '}')
}

// appendHeaders writes the headers, sorted: repeated ones apart for payload 1.0,
// joined by a comma for 2.0 (RFC 9110 §5.3).
func (a *answer) appendHeaders(out []byte, k kind) []byte {
	names := slices.Sorted(maps.Keys(a.header))
	apart := func(name string) bool { return k == kindREST && len(a.header[name]) > 1 }
	out = append(out, `,"headers":{`...)
	for _, name := range names {
		if values := a.header[name]; len(values) > 0 && !apart(name) {
			out = appendMember(out, name)
			out = appendText(out, strings.Join(values, ", "))
		}
	}
	out = append(out, '}')
	if !slices.ContainsFunc(names, apart) {
		return out
	}
	out = append(out, `,"multiValueHeaders":{`...)
	for _, name := range slices.DeleteFunc(names, func(name string) bool { return !apart(name) }) {
		out = append(appendMember(out, name), '[')
		for i, value := range a.header[name] {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendText(out, value)
		}
		out = append(out, ']')
	}
	return append(out, '}')
}

// appendMember begins a member of the object that was begun.
func appendMember(out []byte, name string) []byte {
	if out[len(out)-1] != '{' {
		out = append(out, ',')
	}
	return append(appendText(out, name), ':')
}

// appendText appends a string; bytes that are no UTF-8 cannot stand in JSON.
func appendText(out []byte, text string) []byte {
	return jsonscan.AppendQuoted(out, []byte(strings.ToValidUTF8(text, "\ufffd")))
}
