// Command typed is a peer in the benchmark: a relay as aws-lambda-go's typed
// events invite one to write it, with golang.org/x/oauth2 for the token. It
// checks no path, logs nothing and knows one kind of event, all of which costs
// less than what the relay does.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"omr-relay/internal/bench/peers/credentials"
)

func main() {
	ctx := context.Background()
	oauth, err := credentials.Load(ctx)
	if err != nil {
		log.Fatal(err)
	}
	r := relay{base: credentials.BaseURL(), client: oauth.Client(ctx)}
	lambda.Start(r.handle)
}

type relay struct {
	base   string
	client *http.Client
}

// forwarded are the caller's headers that go on to the upstream.
var forwarded = []string{"Accept", "Accept-Language", "Content-Type", "User-Agent"}

func (r relay) handle(ctx context.Context, in events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	var body io.Reader = strings.NewReader(in.Body)
	if in.IsBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(in.Body)
		if err != nil {
			return events.APIGatewayProxyResponse{StatusCode: http.StatusBadRequest}, nil
		}
		body = bytes.NewReader(decoded)
	}
	target := r.base + in.Path
	if query := url.Values(in.MultiValueQueryStringParameters).Encode(); query != "" {
		target += "?" + query
	}
	req, err := http.NewRequestWithContext(ctx, in.HTTPMethod, target, body)
	if err != nil {
		return events.APIGatewayProxyResponse{}, fmt.Errorf("building the request: %w", err)
	}
	for _, name := range forwarded {
		if values := in.MultiValueHeaders[name]; len(values) > 0 {
			req.Header[name] = values
		}
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return events.APIGatewayProxyResponse{}, fmt.Errorf("calling the upstream: %w", err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return events.APIGatewayProxyResponse{}, fmt.Errorf("reading the upstream's answer: %w", err)
	}
	out := events.APIGatewayProxyResponse{StatusCode: resp.StatusCode, MultiValueHeaders: resp.Header}
	if utf8.Valid(data) {
		out.Body = string(data)
	} else {
		out.Body, out.IsBase64Encoded = base64.StdEncoding.EncodeToString(data), true
	}
	return out, nil
}
