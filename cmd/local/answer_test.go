package main

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
)

func TestAnswerIsWhatTheFunctionReturned(t *testing.T) {
	for name, c := range map[string]struct {
		accept   string
		response string
		status   int
		header   http.Header
		body     string
	}{
		"text": {
			response: `{"statusCode":200,"headers":{"content-type":"text/plain"},"multiValueHeaders":{"x-a":["1","2"]},"body":"größe","isBase64Encoded":false}`,
			status:   200,
			header:   http.Header{"Content-Type": {"text/plain"}, "X-A": {"1", "2"}},
			body:     "größe",
		},
		"binary": {
			accept:   "Application/Octet-Stream; q=1, */*",
			response: `{"statusCode":201,"headers":{"Content-Type":"image/png"},"body":"iVBO//4=","isBase64Encoded":true}`,
			status:   201,
			header:   http.Header{"Content-Type": {"image/png"}},
			body:     "\x89PN\xff\xfe",
		},
		"binary for whoever takes anything": {
			accept:   "*/*, application/octet-stream",
			response: `{"statusCode":201,"headers":{"Content-Type":"image/png"},"body":"iVBO//4=","isBase64Encoded":true}`,
			status:   201,
			header:   http.Header{"Content-Type": {"image/png"}},
			body:     "iVBO//4=",
		},
		"a header that a REST API renames": {
			response: `{"statusCode":401,"headers":{"Content-Type":"a/b","www-authenticate":"Basic"},"multiValueHeaders":{"WWW-Authenticate":["Basic","Digest"]}}`,
			status:   401,
			header:   http.Header{"Content-Type": {"a/b"}, "X-Amzn-Remapped-Www-Authenticate": {"Basic", "Digest"}},
		},
		"a header in both forms": {
			response: `{"statusCode":200,"headers":{"X-A":"0","Content-Type":"a/b"},"multiValueHeaders":{"x-a":["1","2"]}}`,
			status:   200,
			header:   http.Header{"Content-Type": {"a/b"}, "X-A": {"1", "2"}},
		},
		"a wrong length": {
			response: `{"statusCode":200,"headers":{"Content-Length":"999","Content-Type":"a/b"},"body":"abc"}`,
			status:   200,
			header:   http.Header{"Content-Type": {"a/b"}},
			body:     "abc",
		},
		"no content type": {
			response: `{"statusCode":204}`,
			status:   204,
			header:   http.Header{"Content-Type": {"application/json"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			r.Header.Set("Accept", c.accept)
			if err := writeAnswer(w, r, []byte(c.response)); err != nil {
				t.Fatal(err)
			}
			if w.Code != c.status || w.Body.String() != c.body || !reflect.DeepEqual(w.Result().Header, c.header) {
				t.Errorf("%d %q %q, want %d %q %q", w.Code, w.Result().Header, w.Body, c.status, c.header, c.body)
			}
		})
	}
}

func TestAnswerToHEADKeepsItsLength(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodHead, "/", nil)
	if err := writeAnswer(w, r, []byte(`{"statusCode":200,"headers":{"Content-Length":"999"}}`)); err != nil {
		t.Fatal(err)
	}
	if got := w.Header().Get("Content-Length"); got != "999" {
		t.Errorf("Content-Length %q, want 999", got)
	}
}

func TestMalformedResponsesAreErrorsAndSendNothing(t *testing.T) {
	for _, response := range []string{
		`null`, `{}`, `"x"`, `{"statusCode":"200"}`, `{"statusCode":100}`, `{"statusCode":600}`,
		`{"statusCode":200,"body":"*","isBase64Encoded":true}`,
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Accept", "application/octet-stream")
		if err := writeAnswer(w, r, []byte(response)); err == nil {
			t.Errorf("%s: no error", response)
		}
		if w.Body.Len() != 0 || len(w.Header()) != 0 {
			t.Errorf("%s: sent %v %q", response, w.Header(), w.Body)
		}
	}
}
