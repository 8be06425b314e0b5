package handler

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"omr-relay/internal/fastbase64"
	"omr-relay/internal/jsonscan"
	"omr-relay/internal/problem"
)

// decodeREST reads the proxy event of a REST API (payload format 1.0):
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-input-format
func decodeREST(m members, e *event) error {
	var who restIdentity
	balancer := false
	if err := m.each("requestContext", func(name string, value []byte) (err error) {
		switch name {
		case "elb":
			balancer = true
		case "identity":
			err = json.Unmarshal(value, &who.Identity)
		case "authorizer":
			err = json.Unmarshal(value, &who.Authorizer)
		}
		return err
	}); err != nil {
		return err
	}
	if balancer {
		return errors.New("an Application Load Balancer event")
	}
	params, err := m.texts("pathParameters")
	if err != nil {
		return err
	}
	req := &request{
		method: m.text("httpMethod"),
		path:   ownPath(m.text("path"), m.text("resource"), params),
		header: http.Header{},
		caller: who.caller(),
	}
	e.kind, e.request = kindREST, req
	if err := restHeaders(m, req.header); err != nil {
		return err
	}
	if req.query, err = restQuery(m); err != nil {
		return err
	}
	req.body, req.err, err = decodeBody(m)
	return err
}

func restHeaders(m members, into http.Header) error {
	multi := false
	err := m.each("multiValueHeaders", func(name string, value []byte) error {
		multi = true
		values, err := texts(value)
		addHeader(into, name, values...)
		return err
	})
	if err != nil || multi {
		return err
	}
	return singleHeaders(m, into)
}

// singleHeaders reads the member "headers" of either payload format.
func singleHeaders(m members, into http.Header) error {
	return m.each("headers", func(name string, value []byte) error {
		one, err := text(value)
		addHeader(into, name, one)
		return err
	})
}

// addHeader adds values in the event's order: a name may come in several
// spellings. Events that do not come from API Gateway may repeat a name or hold
// bytes that are no UTF-8; requestHeaders judges what becomes of them.
func addHeader(into http.Header, name string, values ...string) {
	key := http.CanonicalHeaderKey(name)
	into[key] = append(into[key], values...)
}

// restQuery encodes the query again, which the event carries decoded: names in
// the event's order, and the values of each in theirs.
func restQuery(m members) (string, error) {
	var query strings.Builder
	add := func(name, value string) {
		if query.Len() > 0 {
			query.WriteByte('&')
		}
		query.WriteString(encodeQuery(name) + "=" + encodeQuery(value))
	}
	const multi, single = "multiValueQueryStringParameters", "queryStringParameters"
	source := single
	if m.has(multi) && string(m[multi]) != "{}" {
		source = multi
	}
	err := m.each(source, func(name string, value []byte) error {
		if source == single {
			one, err := text(value)
			add(name, one)
			return err
		}
		values, err := texts(value)
		for _, one := range values {
			add(name, one)
		}
		return err
	})
	return query.String(), err
}

// encodeQuery writes a space as %20, which every decoder reads, not as the +
// that only form decoders do.
func encodeQuery(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// decodeBody copies the body out of the event, once, into a buffer that is the
// caller's to release. A body that claims to be base64 and is not is the fault
// of whoever sent it.
func decodeBody(m members) (body *scratch, callerFault, err error) {
	if !m.has("body") {
		return requests.take(0), nil, nil
	}
	raw := m["body"]
	encoded, ok := jsonscan.Inner(raw)
	if !ok {
		return nil, nil, errors.New(`its member "body" is not a string`)
	}
	body = requests.take(len(encoded))
	if string(m["isBase64Encoded"]) == "true" {
		if err := body.decodeBase64(encoded, raw); err != nil {
			return body, &problem.Error{Code: problem.BadRequest, Detail: "The event says that its body is base64, and it is not."}, nil
		}
		return body, nil, nil
	}
	text, err := jsonscan.AppendUnquoted(body.bytes, raw)
	if err != nil {
		body.release()
		return nil, nil, errors.New(`its member "body" is not a string`)
	}
	body.bytes = text
	return body, nil, nil
}

// decodeBase64 decodes what stands in the raw string, which usually needs no
// reading as a string: base64 has nothing to escape.
func (s *scratch) decodeBase64(encoded, raw []byte) error {
	space := s.bytes[:cap(s.bytes)]
	n, err := fastbase64.Decode(space, encoded)
	if err != nil {
		// Some encoders escape the slash.
		var text []byte
		if text, err = jsonscan.Unquote(raw); err == nil {
			n, err = fastbase64.Decode(space, text)
		}
	}
	if err == nil {
		s.bytes = space[:n]
	}
	return err
}
