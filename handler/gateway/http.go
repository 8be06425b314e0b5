package gateway

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// decodeHTTP reads an event of payload format 2.0, which HTTP APIs and function
// URLs share:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
func decodeHTTP(m members, e *Event) error {
	var authorizer, domain, stage, call, method []byte
	if err := m.pick("requestContext", member{"authorizer", &authorizer}, member{"domainName", &domain},
		member{"stage", &stage}, member{"http", &call}); err != nil {
		return err
	}
	_ = pick(call, member{"method", &method})
	params, err := m.texts("pathParameters")
	if err != nil {
		return err
	}
	e.Kind, e.format = HTTP, payload2
	if strings.Contains(textOf(domain), ".lambda-url.") {
		e.Kind, e.Streams = FunctionURL, true
	}
	_, resource, _ := strings.Cut(m.text("routeKey"), " ")
	path := withoutStage(m.text("rawPath"), textOf(stage))
	req := &Request{
		Method: textOf(method),
		Path:   ownPath(path, resource, params),
		Query:  escapeQuery(m.text("rawQueryString")),
		Header: http.Header{},
		Caller: httpCaller(authorizer),
	}
	if err := m.singles("headers", addTo(req.Header)); err != nil {
		return err
	}
	if req.Body, req.Fault, err = decodeBody(m); err != nil {
		return err
	}
	e.Request = req
	return nil
}

// escapeQuery percent-encodes the bytes that cannot stand on a request line
// and leaves all others as they are.
func escapeQuery(query string) string {
	return PercentEncode(query, func(b byte) bool {
		return b <= ' ' || b >= 0x7f || strings.IndexByte("\"#<>\\^`{}", b) >= 0
	})
}

// appendHTTPHeaders writes the headers, sorted: the values of each joined by a
// comma (RFC 9110 §5.3).
func appendHTTPHeaders(out []byte, header http.Header) []byte {
	out = append(out, `,"headers":{`...)
	for _, name := range slices.Sorted(maps.Keys(header)) {
		if values := header[name]; len(values) > 0 {
			out = appendText(appendMember(out, name), strings.Join(values, ", "))
		}
	}
	return append(out, '}')
}
