// Command httpadapter is a peer in the benchmark: a relay made of ready parts,
// aws-lambda-go-api-proxy before httputil.ReverseProxy before oauth2.Transport.
package main

import (
	"context"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
	"golang.org/x/oauth2"

	"omr-relay/internal/bench/peers/credentials"
)

func main() {
	ctx := context.Background()
	oauth, err := credentials.Load(ctx)
	if err != nil {
		log.Fatal(err)
	}
	base, err := url.Parse(credentials.BaseURL())
	if err != nil {
		log.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(base)
			for _, name := range []string{"Cookie", "X-Api-Key", "X-Amzn-Trace-Id"} {
				r.Out.Header.Del(name)
			}
		},
		Transport: &oauth2.Transport{Source: oauth.TokenSource(ctx), Base: http.DefaultTransport},
	}
	lambda.Start(httpadapter.New(proxy).ProxyWithContext)
}
