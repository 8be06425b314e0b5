package handler

import (
	"net/http"
	"slices"
	"strings"

	"omr-relay/internal/problem"
)

// forwarded are the caller's headers that go on to the upstream, besides those
// that begin with one of forwardedPrefixes. An allow-list: whatever else a
// caller, a proxy or API Gateway adds stays here.
var forwarded = []string{
	"Accept", "Accept-Language", "Content-Type", "User-Agent", "Prefer", "Traceparent", "Tracestate",
}

var forwardedPrefixes = []string{"If-", "X-Aspose-"}

// hopByHop are the headers that concern one connection (RFC 9110 §7.6.1), and
// the older ones that RFC 2616 §13.5.1 named.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// requestHeaders returns the headers to send. The caller's Authorization is
// never among them.
func requestHeaders(caller http.Header) (http.Header, error) {
	for _, coding := range caller.Values("Content-Encoding") {
		if c := strings.TrimSpace(coding); c != "" && !strings.EqualFold(c, "identity") {
			return nil, &problem.Error{Code: problem.UnsupportedMediaType,
				Detail: "The relay does not forward Content-Encoding: send the body as it is.", AcceptEncoding: "identity"}
		}
	}
	named := connectionNamed(caller)
	out := http.Header{}
	for name, values := range caller {
		if !forwards(name) || named[name] {
			continue
		}
		if !validName(name) || slices.ContainsFunc(values, invalidValue) {
			return nil, &problem.Error{Code: problem.BadRequest, Detail: "A header has characters that no header may have."}
		}
		out[name] = values
	}
	if out.Get("User-Agent") == "" {
		out["User-Agent"] = []string{""} // keeps net/http from inventing one
	}
	return out, nil
}

func forwards(name string) bool {
	return slices.Contains(forwarded, name) ||
		slices.ContainsFunc(forwardedPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// responseHeaders returns the upstream's headers that go back to the caller.
// Cookies do not: the upstream's session is the relay's. Nor does what it allows
// to pages of other origins, which is for the relay to say.
func responseHeaders(upstream http.Header) http.Header {
	named := connectionNamed(upstream)
	out := http.Header{}
	for name, values := range upstream {
		if name != "Set-Cookie" && !strings.HasPrefix(name, "Access-Control-") && !named[name] && !slices.Contains(hopByHop, name) {
			out[name] = values
		}
	}
	return out
}

// connectionNamed returns the headers that Connection declares hop-by-hop.
func connectionNamed(h http.Header) map[string]bool {
	named := map[string]bool{}
	for _, value := range h.Values("Connection") {
		for name := range strings.SplitSeq(value, ",") {
			named[http.CanonicalHeaderKey(strings.TrimSpace(name))] = true
		}
	}
	return named
}

// validName reports whether name is a token (RFC 9110 §5.6.2).
func validName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// invalidValue reports whether value could not be a field value (RFC 9110 §5.5).
func invalidValue(value string) bool {
	return strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// relayed are the methods that a relayed call may have. TRACE is not among
// them: its answer repeats the request, Bearer and all.
var relayed = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// knownMethod keeps a caller's inventions out of the log.
func knownMethod(method string) string {
	if slices.Contains(relayed, method) {
		return method
	}
	return "other"
}
