package handler_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// allowed is the contract's list, spelled here once more on purpose.
func allowed(name string) bool {
	switch name = strings.ToLower(name); name {
	case "accept", "accept-language", "content-type", "user-agent", "prefer", "traceparent", "tracestate":
		return true
	default:
		return strings.HasPrefix(name, "if-") || strings.HasPrefix(name, "x-aspose-")
	}
}

func TestRequestHeadersForwarded(t *testing.T) {
	for _, name := range []string{
		"Accept", "Accept-Language", "Content-Type", "User-Agent", "Prefer", "traceparent", "tracestate",
		"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range",
		"x-aspose-client", "x-aspose-client-version", "X-ASPOSE-",
	} {
		for _, spelled := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			for kind, e := range eachKind(http.MethodPost, submitPath) {
				f := newFixture(nil)
				invoke(t, f, e.withHeaders(spelled, "a value; x=\"y\",\tz"))
				header := f.only(t).header
				if got := header.Values(name); !slices.Equal(got, []string{"a value; x=\"y\",\tz"}) {
					t.Errorf("%s %s: got %q in %v", kind, spelled, got, header)
				}
			}
		}
	}
}

func TestRequestHeadersKeptBack(t *testing.T) {
	for _, name := range []string{
		"Authorization", "Proxy-Authorization", "Cookie", "x-api-key", "X-Amz-Date", "X-Amz-Security-Token", "x-amzn-trace-id",
		"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto", "Forwarded", "Via", "X-Real-Ip",
		"Host", "Content-Length", "Transfer-Encoding", "TE", "Trailer", "Upgrade", "Connection", "Keep-Alive", "Expect",
		"Accept-Encoding", "Accept-Charset", "Origin", "Referer", "Cache-Control", "Pragma", "Date", "Content-Encoding",
		"Idempotency-Key", "X-Idempotency-Key", "X-HTTP-Method-Override", "X-Original-URL", "X-Rewrite-Url", "CloudFront-Viewer-Country",
		"Iffy", "If", "X-Aspose", "X-Asposeclient", "Accept2", "Authorization ", " Authorization", "Accept\r\nAuthorization", "ünlike",
	} {
		for _, spelled := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			for kind, e := range eachKind(http.MethodGet, resultPath) {
				value := "of-the-caller"
				if name == "Content-Encoding" {
					value = "identity"
				}
				f := newFixture(nil)
				invoke(t, f, e.withHeaders(spelled, value, "Accept", "*/*"))
				header := f.only(t).header
				// An empty User-Agent keeps net/http from sending one.
				if want := (http.Header{"Accept": {"*/*"}, "User-Agent": {""}}); !maps.EqualFunc(header, want, slices.Equal) {
					t.Errorf("%s %s: sent %v", kind, spelled, header)
				}
			}
		}
	}
}

// A header that the caller's Connection names concerns the caller's connection.
func TestRequestHeadersNamedByConnection(t *testing.T) {
	for kind, e := range eachKind(http.MethodGet, resultPath) {
		f := newFixture(nil)
		invoke(t, f, e.withHeaders("Connection", "close, x-ASPOSE-one", "connection", " Prefer ,,", "X-Aspose-One", "1", "X-Aspose-Two", "2", "Prefer", "wait=1"))
		header := f.only(t).header
		if header.Get("X-Aspose-Two") != "2" || header.Get("X-Aspose-One") != "" || header.Get("Prefer") != "" {
			t.Errorf("%s: sent %v", kind, header)
		}
	}
}

// Repeated values keep their order, and one event always becomes the same
// request, however a name is spelled.
func TestRequestHeadersRepeated(t *testing.T) {
	for range 20 {
		f := newFixture(nil)
		invoke(t, f, resultEvent().withHeaders("accept", "c", "ACCEPT", "a", "Accept", "b1", "Accept", "b2", "Prefer", "1", "Prefer", "2", "Prefer", "1"))
		header := f.only(t).header
		if got, want := header["Accept"], []string{"a", "b1", "b2", "c"}; !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		if got, want := header["Prefer"], []string{"1", "2", "1"}; !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		single := newFixture(nil)
		invoke(t, single, resultEvent().with("headers", map[string]string{"accept": "c", "ACCEPT": "a", "Accept": "b"}))
		if got, want := single.only(t).header["Accept"], []string{"a", "b", "c"}; !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	f := newFixture(nil)
	invoke(t, f, httpEvent(http.MethodGet, resultPath).withHeaders("Accept", "a", "Accept", "b"))
	if got, want := f.only(t).header["Accept"], []string{"a,b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The multi-valued list is the whole one; the other repeats its last values.
func TestRequestHeadersAreTakenOnce(t *testing.T) {
	f := newFixture(nil)
	e := resultEvent().withHeaders("Accept", "a", "Accept", "b").with("headers", map[string]string{"Accept": "b", "Prefer": "other"})
	invoke(t, f, e)
	if header := f.only(t).header; !slices.Equal(header["Accept"], []string{"a", "b"}) || header.Get("Prefer") != "" {
		t.Errorf("sent %v", header)
	}
	f = newFixture(nil)
	invoke(t, f, e.with("multiValueHeaders", map[string][]string{}))
	if header := f.only(t).header; !slices.Equal(header["Accept"], []string{"b"}) {
		t.Errorf("sent %v", header)
	}
}

func TestContentEncoding(t *testing.T) {
	for value, status := range map[string]int{
		"": http.StatusOK, " ": http.StatusOK, "identity": http.StatusOK, " Identity ": http.StatusOK,
		"gzip": http.StatusUnsupportedMediaType, "br": http.StatusUnsupportedMediaType,
		"identity, gzip": http.StatusUnsupportedMediaType, "x-identity": http.StatusUnsupportedMediaType,
	} {
		for _, name := range []string{"Content-Encoding", "content-encoding"} {
			for kind, e := range eachKind(http.MethodPost, submitPath) {
				f := newFixture(nil)
				r := invoke(t, f, e.withHeaders(name, value))
				if r.StatusCode != status {
					t.Errorf("%s %s: %q: answered %d, want %d", kind, name, value, r.StatusCode, status)
				}
				if status != http.StatusOK {
					wantProblem(t, r, status, "unsupported_media_type")
					f.none(t)
				} else if header := f.only(t).header; header["Content-Encoding"] != nil {
					t.Errorf("sent %v", header)
				}
			}
		}
	}
	f := newFixture(nil)
	r := invoke(t, f, submitEvent().withHeaders("Content-Encoding", "identity", "Content-Encoding", "gzip"))
	wantProblem(t, r, http.StatusUnsupportedMediaType, "unsupported_media_type")
}

func TestRequestHeadersInvalid(t *testing.T) {
	for _, pair := range [][2]string{
		{"Accept", "a\r\nAuthorization: Bearer of-the-caller"}, {"Accept", "a\nb"}, {"Accept", "a\x00"}, {"Accept", "\x7f"}, {"Accept", "\x1f"},
		{"X-Aspose-A B", "1"}, {"X-Aspose-A:", "1"}, {"If-A\r\nX", "1"}, {"If-ü", "1"}, {"X-Aspose-\x7f", "1"},
		{"X-Aspose-\"", "1"}, {"X-Aspose-(", "1"}, {"X-Aspose-,", "1"}, {"X-Aspose-/", "1"}, {"X-Aspose-@", "1"}, {"X-Aspose-{", "1"}, {"X-Aspose-\\", "1"},
	} {
		f := newFixture(nil)
		wantProblem(t, invoke(t, f, resultEvent().withHeaders(pair[0], pair[1])), http.StatusBadRequest, "bad_request")
		f.none(t)
	}
	// In lower case net/http does not take such a name for a header at all.
	f := newFixture(nil)
	invoke(t, f, httpEvent(http.MethodGet, resultPath).withHeaders("x-aspose-a b", "1"))
	if header := f.only(t).header; len(header) != 1 {
		t.Errorf("sent %v", header)
	}
	for _, value := range []string{"", "\t", "ü", "a\tb", "~"} {
		f := newFixture(nil)
		invoke(t, f, resultEvent().withHeaders("X-Aspose-Name", value))
		if got := f.only(t).header["X-Aspose-Name"]; !slices.Equal(got, []string{value}) {
			t.Errorf("%q became %q", value, got)
		}
	}
}

// net/http would add these by itself; the call carries what the caller said.
func TestNothingIsInvented(t *testing.T) {
	upstream := listenRaw(t, okTo)
	relay := behindSocket(t, upstream.url(), "token")
	for _, e := range []event{resultEvent(), resultEvent().withHeaders("User-Agent", "", "Accept-Encoding", "gzip")} {
		invoke(t, relay, e)
	}
	for _, r := range upstream.requests() {
		if want := []string{"Accept-Encoding: identity", "Authorization: Bearer token", "Host: upstream.test"}; !slices.Equal(r.fields, want) {
			t.Errorf("sent %q", r.fields)
		}
	}
}
