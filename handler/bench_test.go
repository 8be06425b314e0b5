package handler_test

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"omr-relay/handler"
	"omr-relay/internal/app"
)

// A form of 2.6 MB with its pattern makes a body of 3.6 MB.
const formBody = 3_600_000

func BenchmarkInvoke(b *testing.B) {
	form := `{"images":["` + strings.Repeat("iVBORw0K", (formBody-40)/8) + `"],"omrFile":"e30="}`
	small := strings.Repeat("x", 2<<10)
	for _, bench := range []struct {
		name     string
		event    event
		response string
		streamed bool
	}{
		{"small", submitEvent().withBody(small), "12345678-1234-4123-8123-123456789abc", false},
		{"form", submitEvent().withBody(form), "12345678-1234-4123-8123-123456789abc", false},
		{"form_base64", submitEvent().withBody(base64.StdEncoding.EncodeToString([]byte(form)[:formBody/4*3])).with("isBase64Encoded", true), "12345678-1234-4123-8123-123456789abc", false},
		{"response", resultEvent(), `{"results":[{"data":"` + strings.Repeat("iVBORw0K", 1<<17) + `"}]}`, false},
		{"streamed", resultEvent(), `{"results":[{"data":"` + strings.Repeat("iVBORw0K", 1<<17) + `"}]}`, true},
	} {
		b.Run(bench.name, func(b *testing.B) {
			h := handler.New(handler.Config{
				BaseURL: &url.URL{Scheme: "https", Host: "upstream.test"},
				Relay: roundTrip(func(r *http.Request) (*http.Response, error) {
					defer r.Body.Close()
					if _, err := io.Copy(io.Discard, r.Body); err != nil {
						return nil, err
					}
					return respond(http.StatusOK, nil, bench.response), nil
				}),
				Streaming: bench.streamed,
				Log:       app.NewLogger(io.Discard, 0), Metrics: true,
				Tokens: tokens(func(context.Context, time.Duration) (time.Duration, error) { return time.Hour, nil }),
			})
			payload := bench.event.payload()
			b.SetBytes(int64(len(payload) + len(bench.response)))
			b.ReportAllocs()
			for b.Loop() {
				response, err := h.Respond(b.Context(), payload)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := response.WriteTo(io.Discard); err != nil {
					b.Fatal(err)
				}
				response.Done(nil)
			}
		})
	}
}
