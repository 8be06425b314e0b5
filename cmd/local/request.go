package main

import (
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

const (
	stage       = "local"
	gatewayTime = "02/Jan/2006:15:04:05 -0700"
)

// restEvent is a REST API's proxy event. The embedded type cannot tell a
// missing body from an empty one, and omits false.
type restEvent struct {
	events.APIGatewayProxyRequest
	Body            *string `json:"body"`
	IsBase64Encoded bool    `json:"isBase64Encoded"`
}

// newEvent gives the event that API Gateway would send for the caller's request,
// whose body has been read. Only the letter case of header names is lost: net/http
// puts them into their canonical form.
func newEvent(r *http.Request, body []byte, from caller, now time.Time) ([]byte, error) {
	path := rawPath(r)
	headers := gatewayHeaders(r)
	query := decodeQuery(r.URL.RawQuery)
	event := restEvent{APIGatewayProxyRequest: events.APIGatewayProxyRequest{
		Resource:                        "/",
		Path:                            path,
		HTTPMethod:                      r.Method,
		Headers:                         last(headers),
		MultiValueHeaders:               headers,
		QueryStringParameters:           last(query),
		MultiValueQueryStringParameters: query,
	}}
	if slices.Contains(tokenPaths, path) {
		event.Resource = path
	} else if proxy := strings.TrimPrefix(path, "/"); proxy != "" {
		event.Resource = "/{proxy+}"
		event.PathParameters = map[string]string{"proxy": proxy}
	}
	if len(body) > 0 {
		text := string(body)
		if event.IsBase64Encoded = binary(r) || !utf8.Valid(body); event.IsBase64Encoded {
			text = base64.StdEncoding.EncodeToString(body)
		}
		event.Body = &text
	}
	event.RequestContext = requestContext(r, event.Resource, path, now)
	from.identify(&event.RequestContext)
	return json.Marshal(event)
}

// binary tells whether the body is of a type that the API's template lists as
// binary: those arrive in base64, whatever is in them.
func binary(r *http.Request) bool { return binaryType(r.Header.Get("Content-Type")) }

func binaryType(value string) bool {
	kind, _, _ := strings.Cut(value, ";")
	return slices.Contains(binaryTypes, strings.ToLower(strings.TrimSpace(kind)))
}

// binaryTypes are the template's BinaryMediaTypes.
var binaryTypes = []string{"multipart/form-data", "application/octet-stream", "application/zip"}

// requestContext describes the request as one to a stage of an API.
func requestContext(r *http.Request, resource, path string, now time.Time) events.APIGatewayProxyRequestContext {
	domain := r.Host
	if host, _, err := net.SplitHostPort(domain); err == nil {
		domain = host
	}
	prefix, _, _ := strings.Cut(domain, ".")
	return events.APIGatewayProxyRequestContext{
		AccountID:         "123456789012",
		ResourceID:        "local1",
		Stage:             stage,
		DomainName:        domain,
		DomainPrefix:      prefix,
		RequestID:         newUUID(),
		ExtendedRequestID: newUUID(),
		Protocol:          r.Proto,
		Identity: events.APIGatewayRequestIdentity{
			SourceIP:  clientIP(r),
			UserAgent: r.UserAgent(),
		},
		ResourcePath:     resource,
		Path:             "/" + stage + path,
		HTTPMethod:       r.Method,
		RequestTime:      now.UTC().Format(gatewayTime),
		RequestTimeEpoch: now.UnixMilli(),
		APIID:            "local",
	}
}

// rawPath is the path as it stood on the request line, not decoded.
func rawPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") {
		// The request line held a whole URL, as for a proxy.
		path = r.URL.EscapedPath()
	}
	return path
}

// hopByHop are the headers that concern one connection alone: API Gateway ends
// the client's, so the function never sees them.
var hopByHop = []string{
	"Connection", "Content-Length", "Expect", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// gatewayHeaders are the client's headers and those that API Gateway adds.
func gatewayHeaders(r *http.Request) http.Header {
	headers := r.Header.Clone()
	for _, name := range hopByHop {
		headers.Del(name)
	}
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		port = "80"
	}
	headers.Set("Host", r.Host)
	passed := append(headers.Values("X-Forwarded-For"), clientIP(r))
	headers.Set("X-Forwarded-For", strings.Join(passed, ", "))
	headers.Set("X-Forwarded-Port", port)
	headers.Set("X-Forwarded-Proto", "http")
	return headers
}

func clientIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// decodeQuery decodes names and values, keeping the order of each name's
// values. What is not valid percent-encoding stays as it is. Nothing gives nil.
func decodeQuery(raw string) url.Values {
	var query url.Values
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		if query == nil {
			query = make(url.Values)
		}
		query.Add(decode(name), decode(value))
	}
	return query
}

func decode(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	return s
}

// last gives the last value of each name: the event's single-valued form.
func last[M ~map[string][]string](multi M) map[string]string {
	if multi == nil {
		return nil
	}
	single := make(map[string]string, len(multi))
	for name, values := range multi {
		if len(values) > 0 {
			single[name] = values[len(values)-1]
		}
	}
	return single
}
