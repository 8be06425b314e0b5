package token_test

import (
	"net/http"
	"net/url"
	"testing"

	"omr-relay/internal/callrecord"
	"omr-relay/internal/sandbox"
	"omr-relay/internal/token"
)

// warm returns a cache with a token that lives for an hour.
func warm(b *testing.B) *token.Cache {
	b.Helper()
	v := &vault{}
	v.put("v1", sandbox.DefaultClientID, sandbox.DefaultClientSecret)
	c := token.NewCache(token.Config{
		Source:    v,
		Endpoint:  &url.URL{Scheme: "https", Host: "token.test", Path: sandbox.TokenPath},
		Transport: sandbox.InProcess(sandbox.New().Upstream()),
	})
	if _, _, err := c.Token(b.Context()); err != nil {
		b.Fatal(err)
	}
	return c
}

// hit asks for the token that is there.
func hit(b *testing.B, c *token.Cache) {
	if _, outcome, err := c.Token(b.Context()); outcome != callrecord.Hit || err != nil {
		b.Error(outcome, err)
	}
}

func BenchmarkHit(b *testing.B) {
	c := warm(b)
	for b.Loop() {
		hit(b, c)
	}
}

func BenchmarkHitParallel(b *testing.B) {
	c := warm(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			hit(b, c)
		}
	})
}

// BenchmarkRoundTrip is what the token adds to a call: the transport beneath
// answers at once.
func BenchmarkRoundTrip(b *testing.B) {
	rt := &token.Transport{Cache: warm(b), Base: roundTripFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	})}
	ctx, _ := callrecord.With(b.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, baseURL+"/v5.0/omr/RecognizeTemplate/GetRecognizeTemplate?id=1", nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header = http.Header{
		"Accept": {"application/json"}, "Accept-Language": {"en"}, "Content-Type": {"application/json"},
		"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, "User-Agent": {"test"},
	}
	for b.Loop() {
		resp, err := rt.RoundTrip(req)
		if err != nil {
			b.Fatal(err)
		}
		resp.Body.Close()
	}
}
