package handler

import (
	"net/http"
	"strings"
)

// decodeHTTP reads an event of payload format 2.0, which HTTP APIs and function
// URLs share:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
func decodeHTTP(m members, e *event) error {
	var requestContext struct {
		httpIdentity
		DomainName string `json:"domainName"`
		Stage      string `json:"stage"`
		HTTP       struct {
			Method string `json:"method"`
		} `json:"http"`
	}
	if err := m.decode("requestContext", &requestContext); err != nil {
		return err
	}
	params, err := m.texts("pathParameters")
	if err != nil {
		return err
	}
	_, resource, _ := strings.Cut(m.text("routeKey"), " ")
	req := &request{
		method: requestContext.HTTP.Method,
		path:   ownPath(withoutStage(m.text("rawPath"), requestContext.Stage), resource, params),
		query:  escapeQuery(m.text("rawQueryString")),
		header: http.Header{},
		caller: requestContext.caller(),
	}
	e.kind, e.request = kindHTTP, req
	if strings.Contains(requestContext.DomainName, ".lambda-url.") {
		e.kind = kindURL
	}
	if err := singleHeaders(m, req.header); err != nil {
		return err
	}
	req.body, req.err, err = decodeBody(m)
	return err
}

// withoutStage takes off the name of a stage, which the rawPath of a stage
// other than $default begins with.
func withoutStage(path, stage string) string {
	if stage == "" || stage == "$default" {
		return path
	}
	if rest, ok := strings.CutPrefix(path, "/"+stage); ok && (rest == "" || rest[0] == '/') {
		return rest
	}
	return path
}

// escapeQuery percent-encodes the bytes that cannot stand on a request line
// and leaves all others as they are.
func escapeQuery(query string) string {
	return escape(query, func(b byte) bool {
		return b <= ' ' || b >= 0x7f || strings.IndexByte("\"#<>\\^`{}", b) >= 0
	})
}

// escape percent-encodes the bytes of s that unfit names.
func escape(s string, unfit func(byte) bool) string {
	const hex = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(s) {
		if b := s[i]; unfit(b) {
			out.Write([]byte{'%', hex[b>>4], hex[b&0xf]})
		} else {
			out.WriteByte(b)
		}
	}
	return out.String()
}
