package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func pageFor(t *testing.T, door *admission, sample bool) *page {
	t.Helper()
	return pageWith(t, door, pageOf{sample: sample})
}

func pageWith(t *testing.T, door *admission, of pageOf) *page {
	t.Helper()
	p, err := newPage(door, of, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	}))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ask(t *testing.T, h http.Handler, method, target string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	r.RequestURI = r.URL.RequestURI()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// The page is at three paths; everything else is the relay's.
func TestPageIsServedBesideTheRelay(t *testing.T) {
	p := pageFor(t, &admission{}, true)
	for _, c := range []struct {
		method, target string
		status         int
		contentType    string
	}{
		{"GET", "http://localhost:3000/", 200, "text/html; charset=utf-8"},
		{"HEAD", "http://localhost:3000/", 200, "text/html; charset=utf-8"},
		{"GET", "http://127.0.0.1:3000/page.js?x=1", 200, "text/javascript; charset=utf-8"},
		{"GET", "http://127.0.0.1:3000/page.css", 200, "text/css; charset=utf-8"},
		{"POST", "http://127.0.0.1:3000/", 418, ""},
		{"GET", "http://127.0.0.1:3000/healthz", 418, ""},
		{"GET", "http://127.0.0.1:3000//", 418, ""},
		{"GET", "http://127.0.0.1:3000/page%2Ejs", 418, ""},
		{"GET", "http://rebound.example:3000/", 421, "application/problem+json"},
	} {
		resp := ask(t, p, c.method, c.target)
		if resp.StatusCode != c.status || c.contentType != "" && resp.Header.Get("Content-Type") != c.contentType {
			t.Errorf("%s %s: %d %v", c.method, c.target, resp.StatusCode, resp.Header)
		}
		if c.status != 200 {
			continue
		}
		for name, want := range map[string]string{"Content-Security-Policy": pagePolicy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %s %q", c.target, name, got)
			}
		}
	}
}

// Samples are marked, a key is asked for where there are any, and nothing comes
// from elsewhere.
func TestPageSaysWhatItIs(t *testing.T) {
	for _, sample := range []bool{true, false} {
		for _, keys := range []apiKeys{nil, {firstKey}} {
			resp := ask(t, pageFor(t, &admission{keys: keys}, sample), http.MethodGet, "http://scanner.example/")
			if len(keys) == 0 {
				resp = ask(t, pageFor(t, &admission{}, sample), http.MethodGet, "http://localhost/")
			}
			text, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			html := string(text)
			if strings.Contains(html, "Samples:") != sample || strings.Contains(html, `id="key"`) != (keys != nil) || strings.Contains(html, firstKey) {
				t.Errorf("sample %t, keys %d:\n%s", sample, len(keys), html)
			}
		}
	}
	elsewhere := regexp.MustCompile(`(?i)https?://|<script>|style="|\son[a-z]+=|innerHTML|eval\(`)
	for _, name := range []string{"index.html", "page.css", "page.js"} {
		data, err := pageFiles.ReadFile("page/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if found := elsewhere.Find(data); found != nil {
			t.Errorf("%s has %q in it", name, found)
		}
	}
}

// The page's files with several pages are taken apart here.
func TestPageSplitsFiles(t *testing.T) {
	p := pageFor(t, &admission{keys: apiKeys{firstKey}}, true)
	post := func(body io.Reader, key string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost"+splitPath, body)
		r.RequestURI = splitPath
		r.Header.Set("Authorization", "Bearer "+key)
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	for name, pages := range map[string]int{"grey.pdf": 3, "lzw.tif": 3, "one.pdf": 1} {
		status, text := post(strings.NewReader(readFile(t, "../../internal/scans/testdata/"+name)), firstKey)
		var answer struct{ Pages [][]byte }
		if err := json.Unmarshal([]byte(text), &answer); err != nil || status != 200 || len(answer.Pages) != pages {
			t.Errorf("%s: %d, %d pages, %v", name, status, len(answer.Pages), err)
		}
	}
	if status, text := post(strings.NewReader("%PDF-1.4 broken"), firstKey); status != 422 || !strings.Contains(text, "a PDF that cannot be taken apart") {
		t.Errorf("a broken one: %d %s", status, text)
	}
	if status, text := post(io.LimitReader(zeros{}, splitLimit+1), firstKey); status != 413 {
		t.Errorf("a large one: %d %s", status, text)
	}
	if status, _ := post(strings.NewReader("x"), strangers); status != 403 {
		t.Errorf("a stranger's: %d", status)
	}
}

// What a page of a file may have is what a call takes, or the bucket.
func TestPageKnowsWhatASheetMayHave(t *testing.T) {
	for name, c := range map[string]struct {
		of     pageOf
		bucket bool
		status int
	}{
		"a call":   {pageOf{}, false, 422},
		"a bucket": {pageOf{bucketURL: "http://127.0.0.1:1", maxUpload: 50 << 20}, true, 200},
	} {
		p := pageWith(t, &admission{}, c.of)
		pdf := readFile(t, "../../internal/scans/testdata/one.pdf") + strings.Repeat("\x00", 6_000_000)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost"+splitPath, strings.NewReader(pdf))
		r.RequestURI = splitPath
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		html, err := io.ReadAll(ask(t, p, http.MethodGet, "http://localhost/").Body)
		if err != nil {
			t.Fatal(err)
		}
		if w.Code != c.status || strings.Contains(string(html), `data-bucket="true"`) != c.bucket {
			t.Errorf("%s: %d %.300s", name, w.Code, w.Body)
		}
		if !c.bucket && !strings.Contains(w.Body.String(), "and a call takes 4.71 MB: scan it at a lower resolution") {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
