package handler

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"omr-relay/internal/fault"
	"omr-relay/internal/jsonscan"
)

// decodeREST reads the proxy event of a REST API (payload format 1.0):
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-input-format
func decodeREST(m members, e *event) error {
	var requestContext struct {
		restIdentity
		ELB json.RawMessage `json:"elb"`
	}
	if err := m.decode("requestContext", &requestContext); err != nil {
		return err
	}
	if requestContext.ELB != nil {
		return errors.New("an Application Load Balancer event")
	}
	var params map[string]string
	if err := m.decode("pathParameters", &params); err != nil {
		return err
	}
	req := &request{
		method: m.text("httpMethod"),
		path:   ownPath(m.text("path"), m.text("resource"), params),
		header: http.Header{},
		caller: requestContext.caller(),
	}
	e.kind, e.request = kindREST, req
	if err := restHeaders(m, req.header); err != nil {
		return err
	}
	var err error
	if req.query, err = restQuery(m); err != nil {
		return err
	}
	req.body, req.err, err = decodeBody(m)
	return err
}

func restHeaders(m members, into http.Header) error {
	var multi map[string][]string
	if err := m.decode("multiValueHeaders", &multi); err != nil {
		return err
	}
	// In order, so that one event always becomes the same request: a name may
	// come in several spellings.
	for _, name := range slices.Sorted(maps.Keys(multi)) {
		key := http.CanonicalHeaderKey(name)
		into[key] = append(into[key], multi[name]...)
	}
	if len(multi) > 0 {
		return nil
	}
	return singleHeaders(m, into)
}

// singleHeaders reads the member "headers" of either payload format.
func singleHeaders(m members, into http.Header) error {
	var single map[string]string
	if err := m.decode("headers", &single); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(single)) {
		into.Add(name, single[name])
	}
	return nil
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
	if !m.has(source) {
		return "", nil
	}
	err := jsonscan.Object(m[source], func(name string, raw []byte) error {
		if source == single {
			var value string
			err := json.Unmarshal(raw, &value)
			add(name, value)
			return err
		}
		var values []string
		err := json.Unmarshal(raw, &values)
		for _, value := range values {
			add(name, value)
		}
		return err
	})
	if err != nil {
		return "", errors.New(`its member "` + source + `" is not of the documented form`)
	}
	return query.String(), nil
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
			return body, &fault.Error{Code: fault.BadRequest, Detail: "The event says that its body is base64, and it is not."}, nil
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
	n, err := base64.StdEncoding.Decode(space, encoded)
	if err != nil {
		// Some encoders escape the slash.
		var text []byte
		if text, err = jsonscan.Unquote(raw); err == nil {
			n, err = base64.StdEncoding.Decode(space, text)
		}
	}
	if err == nil {
		s.bytes = space[:n]
	}
	return err
}
