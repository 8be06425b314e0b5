package httpanswer_test

import (
	"net/http"
	"testing"
	"time"

	"omr-relay/internal/httpanswer"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "soon": 0, "1.5": 0, "-1": 0, "0": 0, "600": 10 * time.Minute, "86401": 24 * time.Hour,
		"99999999999999999999":          0,
		"Sat, 01 Jan 2000 00:10:00 GMT": 10 * time.Minute, "Fri, 31 Dec 1999 23:59:59 GMT": 0,
	} {
		if got := httpanswer.RetryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}
