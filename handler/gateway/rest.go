package gateway

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// decodeREST reads a proxy event of payload format 1.0, as REST APIs send it and
// HTTP APIs that are set so:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-input-format
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
func decodeREST(m members, e *Event) error {
	var identity, authorizer, stage, balancer []byte
	if err := m.pick("requestContext", member{"identity", &identity}, member{"authorizer", &authorizer},
		member{"stage", &stage}, member{"elb", &balancer}); err != nil {
		return err
	}
	if balancer != nil {
		return errors.New("an Application Load Balancer event")
	}
	params, err := m.texts("pathParameters")
	if err != nil {
		return err
	}
	path := m.text("path")
	e.Kind, e.Streams, e.format = REST, true, payload1
	if m.text("version") == "1.0" { // which REST APIs do not say
		e.Kind, e.Streams = HTTP, false
		path = withoutStage(path, textOf(stage))
	}
	req := &Request{
		Method: m.text("httpMethod"),
		Path:   ownPath(path, m.text("resource"), params),
		Header: http.Header{},
		Caller: restCaller(identity, authorizer),
	}
	if err := m.values("multiValueHeaders", "headers", addTo(req.Header)); err != nil {
		return err
	}
	if req.Query, err = restQuery(m); err != nil {
		return err
	}
	if req.Body, req.Fault, err = decodeBody(m); err != nil {
		return err
	}
	e.Request = req
	return nil
}

// restQuery encodes the query again, which the event carries decoded: names in
// the event's order, and the values of each in theirs.
func restQuery(m members) (string, error) {
	var query strings.Builder
	err := m.values("multiValueQueryStringParameters", "queryStringParameters", func(name, value string) {
		if query.Len() > 0 {
			query.WriteByte('&')
		}
		query.WriteString(encodeQuery(name) + "=" + encodeQuery(value))
	})
	return query.String(), err
}

// encodeQuery writes a space as %20, which every decoder reads, not as the +
// that only form decoders do.
func encodeQuery(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// appendRESTHeaders writes the headers, sorted: those with several values apart.
func appendRESTHeaders(out []byte, header http.Header) []byte {
	names := slices.Sorted(maps.Keys(header))
	apart := func(name string) bool { return len(header[name]) > 1 }
	out = append(out, `,"headers":{`...)
	for _, name := range names {
		if values := header[name]; len(values) == 1 {
			out = appendText(appendMember(out, name), values[0])
		}
	}
	out = append(out, '}')
	if !slices.ContainsFunc(names, apart) {
		return out
	}
	out = append(out, `,"multiValueHeaders":{`...)
	for _, name := range slices.DeleteFunc(names, func(name string) bool { return !apart(name) }) {
		out = append(appendMember(out, name), '[')
		for i, value := range header[name] {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendText(out, value)
		}
		out = append(out, ']')
	}
	return append(out, '}')
}
