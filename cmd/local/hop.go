package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"omr-relay/internal/app"
)

// maxKept bounds what a hop keeps of an answer's body to describe it.
const maxKept = 64 << 10

// wrap puts the narrator in the way of a hop's requests. It has app.Options'
// Wrap for its signature.
func (n *narrator) wrap(hop app.Hop, next http.RoundTripper) http.RoundTripper {
	return &hopTransport{tell: n, hop: hop, next: next}
}

// hopTransport narrates every request that passes through it.
type hopTransport struct {
	tell *narrator
	hop  app.Hop
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper. The line is written when the answer's
// body has been read to its end or closed, or when there is no answer.
func (t *hopTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	asked := request(req.Method, req.URL.RequestURI())
	start := time.Now()
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		t.failed(asked, err, time.Since(start))
		return nil, err
	}
	keep := maxKept
	if t.hop == app.HopUpstream || t.hop == app.HopBucket {
		keep = 0
	}
	resp.Body = &watchedBody{ReadCloser: resp.Body, keep: keep, done: func(length int, kept []byte) {
		t.answered(asked, resp, length, kept, time.Since(start))
	}}
	return resp, nil
}

// failed tells that no answer came.
func (t *hopTransport) failed(asked string, err error, took time.Duration) {
	n := t.tell
	text := "no answer"
	switch {
	case t.hop == app.HopSecret:
		text += " from " + n.secrets
	case t.hop == app.HopToken:
		text += " from " + n.tokens
	case t.hop == app.HopBucket:
		text += " from " + n.bucket
	case t.hop == app.HopMachine:
		text += " from Step Functions"
	default:
		text = asked + " at " + n.upstream + ": " + text
	}
	n.line(signBoth, string(t.hop), fmt.Sprintf("%s in %s%s", text, elapsed(took), cause(err)), bad)
}

// answered tells what the answer was.
func (t *hopTransport) answered(asked string, resp *http.Response, length int, kept []byte, took time.Duration) {
	n, status := t.tell, resp.StatusCode
	var text string
	switch {
	case t.hop == app.HopUpstream:
		text = fmt.Sprintf("%s at %s: %d%s, %s, in %s", asked, n.upstream, status, mediaType(resp.Header), size(length), elapsed(took))
	case t.hop == app.HopBucket:
		text = fmt.Sprintf("%s at %s: %d, %s, in %s", object(resp.Request), n.bucket, status, size(length), elapsed(took))
	case t.hop == app.HopMachine:
		text = fmt.Sprintf("%s at Step Functions: %d%s, in %s", operation(resp.Request), status, awsError(kept), elapsed(took))
	case t.hop == app.HopSecret && status == http.StatusOK:
		text = fmt.Sprintf("fetched from %s in %s", n.secrets, elapsed(took))
	case t.hop == app.HopSecret:
		text = fmt.Sprintf("%s refused: %d%s, in %s", n.secrets, status, awsError(kept), elapsed(took))
	case status == http.StatusOK:
		text = fmt.Sprintf("exchanged at %s in %s%s", n.tokens, elapsed(took), validity(kept))
	default:
		text = fmt.Sprintf("%s refused: %d%s, in %s", n.tokens, status, oauthError(kept), elapsed(took))
	}
	n.line(signBoth, string(t.hop), text, toneOf(status))
}

// object says what was done with one, without its key, which says nothing to people.
func object(req *http.Request) string {
	what := "object"
	switch {
	case req == nil:
		return what
	case strings.Contains(req.URL.Path, "/uploads/"):
		what = "upload"
	case strings.Contains(req.URL.Path, "/idempotency/"):
		what = "record of the Idempotency-Key"
	}
	if req.Method == http.MethodPut {
		return what + " written"
	}
	return what + " read"
}

// operation is what AWS was asked to do.
func operation(req *http.Request) string {
	if req == nil {
		return "asked"
	}
	_, name, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	return name
}

// cause says why there is no answer where the error's text is known to hold no
// more than addresses and names of hosts.
func cause(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return ": out of time"
	}
	if errors.Is(err, context.Canceled) {
		return ": given up"
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return ": " + printable(e.Error())
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return ": " + printable(e.Error())
	}
	return ""
}

func mediaType(header http.Header) string {
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return ", " + kind
}

// validity tells a token answer's expires_in.
func validity(body []byte) string {
	var answer struct {
		ExpiresIn json.Number `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.ExpiresIn == "" || len(answer.ExpiresIn) > 12 {
		return ", lifetime not stated"
	}
	return ", valid for " + answer.ExpiresIn.String() + " s"
}

// oauthError tells an error code of RFC 6749 section 5.2; anything else might
// repeat what was sent.
func oauthError(body []byte) string {
	var answer struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &answer)
	switch answer.Error {
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope":
		return " " + answer.Error
	}
	return ""
}

var awsErrorType = regexp.MustCompile(`^[A-Za-z]{1,50}(Exception|Error|Failure)$`)

// awsError tells the type of an AWS JSON error, without its message.
func awsError(body []byte) string {
	var answer struct {
		Type string `json:"__type"`
	}
	_ = json.Unmarshal(body, &answer)
	name := answer.Type[strings.LastIndex(answer.Type, "#")+1:]
	if !awsErrorType.MatchString(name) {
		return ""
	}
	return " " + name
}

// watchedBody counts a body as it is read, keeps its beginning, and calls done
// once: at the end or at Close. What its reader gets is not touched.
type watchedBody struct {
	io.ReadCloser
	keep int
	done func(length int, kept []byte)

	mu     sync.Mutex // guards what follows: Close may interrupt a Read
	length int
	kept   []byte
	told   bool
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	b.length += n
	b.kept = append(b.kept, p[:min(n, b.keep-len(b.kept))]...)
	b.mu.Unlock()
	if err != nil {
		b.tell()
	}
	return n, err
}

func (b *watchedBody) Close() error {
	err := b.ReadCloser.Close()
	b.tell()
	return err
}

func (b *watchedBody) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.told {
		return
	}
	b.told = true
	b.done(b.length, b.kept)
}
