package recognize_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"omr-relay/handler/gateway"
	"omr-relay/handler/recognize"
	"omr-relay/internal/callrecord"
	"omr-relay/internal/problem"
)

// tiffOf has so many pages, and nothing on them.
func tiffOf(pages int) string {
	data := []byte("II*\x00\x08\x00\x00\x00")
	for page := range pages {
		next := byte(len(data) + 6)
		if page == pages-1 {
			next = 0
		}
		data = append(data, 0, 0, next, 0, 0, 0)
	}
	return string(data)
}

func pdfOf(pages int) string {
	return fmt.Sprintf("%%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Count %d/Kids[]>>\nendobj\ntrailer <</Root 1 0 R>>\n", pages)
}

// TestInvalidInput refuses each fault with its field, and pays for none.
func TestInvalidInput(t *testing.T) {
	withImage := func(content string) []field {
		return []field{{"image", "private.jpg", scan(0)}, {"image", "private.jpg", content}, {"pattern", "p.omr", patternText()}}
	}
	withPattern := func(content string) []field {
		return []field{{"image", "private.jpg", scan(0)}, {"omrFile", "p.omr", content}}
	}
	plus := func(name, value string) []field { return scansForm(1, field{name: name, value: value}) }
	task := func(json string) *gateway.Request { return request([]byte(json), "Content-Type", "application/json") }
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	image, pattern := `"images":["`+b64(scan(0))+`"]`, `"omrFile":"`+b64(patternText())+`"`
	for _, tt := range []struct {
		name   string
		req    *gateway.Request
		field  string
		detail string
	}{
		{"HEIC", form(withImage("\x00\x00\x00\x18ftypheic\x00\x00")), "image", "number 2 is HEIC, which the upstream does not read: save it as JPEG or PNG"},
		{"WebP", form(withImage("RIFF\x00\x00\x00\x00WEBP")), "image", "number 2 is WebP"},
		{"empty", form(withImage("")), "image", "number 2 is empty"},
		{"a text", form(withImage("private")), "image", "number 2 is none of JPEG, PNG, GIF, TIFF, BMP and PDF"},
		{"taken for text", form(withImage("\ufffd\ufffd\ufffd\ufffd\x00\x10JFIF")), "image", "binary media types"},
		{"PDF of pages", form(withImage(pdfOf(3))), "image", "number 2 is a PDF of 3 pages, and the upstream takes one: split it, or use the command `recognize`"},
		{"TIFF of pages", form(withImage(tiffOf(2))), "image", "number 2 is a TIFF of 2 pages"},
		{"no image", form([]field{{"pattern", "p.omr", patternText()}}), "image", "there is none"},
		{"too many", form(scansForm(41)), "image", "there are 41, and 40 at most"},
		{"no pattern", form([]field{{"image", "a.jpg", scan(0)}}), "omrFile", "there is none"},
		{"an empty pattern", form(withPattern("")), "omrFile", "it is empty"},
		{"a scan for a pattern", form(withPattern(scan(0))), "omrFile", "it is not a recognition pattern"},
		{"markup for a pattern", form(withPattern("?text=x")), "omrFile", "it is not a recognition pattern"},
		{"two patterns", form(plus("omrFile", patternText())), "omrFile", "more than one"},
		{"a format", form(plus("format", "PDF")), "outputFormat", "it must be CSV, JSON or XML"},
		{"a threshold", form(plus("recognitionThreshold", "101")), "recognitionThreshold", "from 0 to 100"},
		{"a negative one", form(plus("recognitionThreshold", "-1")), "recognitionThreshold", "from 0 to 100"},
		{"half a one", form(plus("recognitionThreshold", "1.5")), "recognitionThreshold", "from 0 to 100"},
		{"one that is none", form(plus("recognitionThreshold", "private")), "recognitionThreshold", "from 0 to 100"},
		{"a field misspelt", form(plus("recognitonThreshold", "5")), "", "a field that is none of"},
		{"XML of two", form(scansForm(2, field{name: "format", value: "XML"})), "outputFormat", "no XML"},
		{"XML of two, by Accept", form(scansForm(2), "Accept", "application/xml"), "outputFormat", "no XML"},
		{"task without images", task(`{` + pattern + `}`), "image", "there is none"},
		{"task without an image", task(`{"images":[],` + pattern + `}`), "image", "there is none"},
		{"task without a pattern", task(`{` + image + `}`), "omrFile", "there is none"},
		{"task with null", task(`{` + image + `,"omrFile":null}`), "omrFile", "there is none"},
		{"not base64", task(`{"images":["private!"],` + pattern + `}`), "image", "it is not base64"},
		{"a data URL", task(`{"images":["data:image/jpeg;base64,` + b64(scan(0)) + `"],` + pattern + `}`), "image", "it is not base64"},
		{"a number for an image", task(`{"images":[5],` + pattern + `}`), "image", "it must be a text of base64"},
		{"a threshold as text", task(`{` + image + `,` + pattern + `,"recognitionThreshold":"5"}`), "recognitionThreshold", "whole number"},
		{"a format that is no text", task(`{` + image + `,` + pattern + `,"outputFormat":5}`), "outputFormat", "must be a text"},
		{"an unknown member", task(`{` + image + `,` + pattern + `,"private":5}`), "", "a field that is none of"},
		{"a format in the query", withQuery(form(scansForm(1)), "outputFormat=private"), "outputFormat", "it must be CSV, JSON or XML"},
		{"an unknown option in the query", withQuery(task(`{`+image+`,`+pattern+`}`), "private=5"), "", "a field that is none of"},
		{"a pattern in the query", withQuery(form([]field{{"image", "a.jpg", scan(0)}}), "pattern=private"), "", "a field that is none of"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				got := r.post(t, tt.req)
				wantProblem(t, got, problem.InvalidInput, tt.detail)
				if got.err != nil && (got.err.Field != tt.field || strings.Contains(got.err.Detail+got.err.Error(), "private")) {
					t.Errorf("field %q, detail %q", got.err.Field, got.err.Detail)
				}
				r.wantCalls(t, 0, 0)
				if r.mints.Load() > 0 {
					t.Error("a token was fetched for it")
				}
			})
		})
	}
}

// A body that cannot be read is not the fields' fault.
func TestUnreadableBodies(t *testing.T) {
	for _, tt := range []struct {
		name, contentType, body string
		header                  []string
		code                    problem.Code
	}{
		{"no type", "", "x", nil, problem.UnsupportedMediaType},
		{"a scan alone", "image/jpeg", scan(0), nil, problem.UnsupportedMediaType},
		{"a type that is none", "multipart/", "x", nil, problem.UnsupportedMediaType},
		{"a coding", "application/json", "{}", []string{"Content-Encoding", "gzip"}, problem.UnsupportedMediaType},
		{"no boundary", "multipart/form-data", "x", nil, problem.BadRequest},
		{"another boundary", "multipart/form-data; boundary=a", "--b\r\n\r\n--b--", nil, problem.BadRequest},
		{"broken off", "multipart/form-data; boundary=a", "--a\r\nContent-Disposition: form-data; name=image\r\n\r\nx", nil, problem.BadRequest},
		{"no disposition", "multipart/form-data; boundary=a", "--a\r\n\r\nx\r\n--a--", nil, problem.BadRequest},
		{"a part in base64", "multipart/form-data; boundary=a", "--a\r\nContent-Disposition: form-data; name=image\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--a--", nil, problem.BadRequest},
		{"parts without end", "multipart/form-data; boundary=a", strings.Repeat("--a\r\nContent-Disposition: form-data; name=image\r\n\r\nx\r\n", 300) + "--a--", nil, problem.BadRequest},
		{"no JSON", "application/json", "images", nil, problem.BadRequest},
		{"a list", "application/json", "[]", nil, problem.BadRequest},
		{"broken JSON", "application/json", `{"images":["AAAA"`, nil, problem.BadRequest},
		{"images that are broken", "application/json", `{"images":["AAAA" "AAAA"]}`, nil, problem.InvalidInput},
		{"nothing", "application/json", "", nil, problem.BadRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				got := r.post(t, request([]byte(tt.body), append(tt.header, "Content-Type", tt.contentType)...))
				if tt.code == problem.InvalidInput && got.err != nil && got.err.Code == problem.BadRequest {
					return // either is true
				}
				wantProblem(t, got, tt.code, "")
				r.wantCalls(t, 0, 0)
			})
		})
	}
	inBubble(t, func(t *testing.T, r *rig) {
		req := form(scansForm(1))
		req.Fault = &problem.Error{Code: problem.BadRequest, Detail: "not base64"}
		wantProblem(t, r.post(t, req), problem.BadRequest, "not base64")
	})
}

// taken is a transport that keeps what was submitted, and answers nothing.
type taken struct {
	mu     sync.Mutex // guards bodies
	bodies [][]byte
}

func (s *taken) RoundTrip(req *http.Request) (*http.Response, error) {
	callrecord.From(req.Context()).Sent = true
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.bodies = append(s.bodies, body)
	}
	return respond(429, "")
}

// FuzzMultipart compares with the standard library's reader: whatever is taken
// here is read there as well, with the same fields.
func FuzzMultipart(f *testing.F) {
	body, contentType := encodeForm(scansForm(1, field{name: "format", value: "json"}))
	_, params, _ := mime.ParseMediaType(contentType)
	f.Add(body, params["boundary"])
	f.Add([]byte("preamble\r\n--a \t\r\nContent-Disposition: form-data; name=\"image\"; filename=\"C:\\x\\1.jpg\"\r\n\r\n\xff\xd8\xff\r\n--ab\r\n--a--"), "a")
	f.Add([]byte("--a\r\nContent-Disposition: form-data; name=x\r\n\r\n--a--"), "a")
	f.Add([]byte("--a--\r\n--a\r\n\r\n--a--"), "a")
	f.Add([]byte("--a\r\nContent-Disposition: form-data\n\r\n\r\n\r\n--a--"), "a")
	f.Add([]byte("--a\nContent-Disposition: form-data; name=x\r\n\r\n1\r\n--ab\r\n--a--"), "a")
	f.Fuzz(func(t *testing.T, body []byte, boundary string) {
		parts, err := recognize.SplitMultipart(bytes.Clone(body), boundary)
		if err != nil {
			return
		}
		r := multipart.NewReader(bytes.NewReader(body), boundary)
		for i, p := range parts {
			want, err := r.NextRawPart()
			if err != nil {
				if strings.ContainsAny(boundary, "\r\n \t") || errors.Is(err, multipart.ErrMessageTooLarge) {
					return // no boundary that a header could have
				}
				t.Fatalf("part %d of %q by %q: %v", i, body, boundary, err)
			}
			data, err := io.ReadAll(want)
			if err != nil || !bytes.Equal(data, p.Data) || want.FormName() != p.Name {
				t.Fatalf("part %d of %q by %q: %q %q, want %q %q, %v", i, body, boundary, p.Name, p.Data, want.FormName(), data, err)
			}
		}
	})
}

// FuzzForm and FuzzJSON: no input panics, reaches the upstream unless it is whole,
// or is quoted in a problem.
func FuzzForm(f *testing.F) {
	for _, fields := range [][]field{scansForm(1), scansForm(2, field{name: "format", value: "CSV"}), {{"image", "", ""}}} {
		body, contentType := encodeForm(fields)
		f.Add(body, contentType)
	}
	f.Fuzz(fuzzInput)
}

func FuzzJSON(f *testing.F) {
	f.Add(taskJSON(1, nil), "application/json")
	f.Add(taskJSON(2, map[string]any{"outputFormat": "JSON", "recognitionThreshold": 3}), "application/json")
	f.Add([]byte(`{"images":"\/9j\/","omrFile":"e\u0079J9"}`), "application/json")
	f.Fuzz(fuzzInput)
}

func fuzzInput(t *testing.T, body []byte, contentType string) {
	upstream := &taken{}
	recognizer := recognize.NewRecognizer(recognize.Config{Transport: upstream, BaseURL: baseURL})
	req := request(body, "Content-Type", contentType)
	answer, err := recognizer.Post(t.Context(), req)
	req.Release()
	if (answer == nil) == (err == nil) {
		t.Fatal(answer, err)
	}
	if err != nil {
		if e, ok := errors.AsType[*problem.Error](err); !ok || e.Code == problem.Internal || len(upstream.bodies) > 0 {
			t.Fatalf("%v after %d calls", err, len(upstream.bodies))
		}
		return
	}
	for _, sent := range upstream.bodies {
		if !bytes.HasPrefix(sent, []byte(`{"images":["`)) {
			t.Fatalf("the upstream got %q", sent)
		}
	}
}

// A task's base64 is decoded where it lies; what goes upstream is the same all the
// same, however the JSON was written.
func TestDecodedInPlace(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	for _, size := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 100, 16 << 10, 1 << 20} {
		noise := make([]byte, size)
		_, _ = random.Read(noise)
		image := scan(0) + string(noise)
		plain := base64.StdEncoding.EncodeToString([]byte(image))
		var lines strings.Builder
		for line := range slices.Chunk([]byte(plain), 76) {
			lines.WriteString(string(line) + `\r\n`)
		}
		for name, written := range map[string]string{"plain": plain, "slashes": strings.ReplaceAll(plain, "/", `\/`), "escapes": strings.ReplaceAll(plain, "A", `\u0041`), "lines": lines.String()} {
			upstream := &taken{}
			recognizer := recognize.NewRecognizer(recognize.Config{Transport: upstream, BaseURL: baseURL})
			req := request([]byte(`{"omrFile":"`+base64.StdEncoding.EncodeToString([]byte(patternText()))+`","images":[ "`+written+`" ]}`), "Content-Type", "application/json")
			_, err := recognizer.Post(t.Context(), req)
			req.Release()
			if err != nil || len(upstream.bodies) != 1 || !bytes.HasPrefix(upstream.bodies[0], []byte(`{"images":["`+plain+`"],`)) {
				t.Errorf("%d bytes, %s: not what it was, %v", size, name, err)
			}
		}
	}
}

// TestMemory: the largest form takes no memory but the body that it came in.
func TestMemory(t *testing.T) {
	large := scan(0) + strings.Repeat("\xa5", 4_300_000)
	body, contentType := encodeForm([]field{{"image", "large.jpg", large}, {"pattern", "p.omr", patternText()}})
	task := []byte(`{"images":["` + base64.StdEncoding.EncodeToString([]byte(large)) + `"],"omrFile":"` +
		base64.StdEncoding.EncodeToString([]byte(patternText())) + `"}`)
	for name, req := range map[string]func() *gateway.Request{
		"form": func() *gateway.Request { return request(body, "Content-Type", contentType) },
		"task": func() *gateway.Request { return request(task, "Content-Type", "application/json") },
	} {
		discard := roundTrip(func(req *http.Request) (*http.Response, error) {
			if n, err := io.Copy(io.Discard, req.Body); err != nil || n != req.ContentLength || n < 5_700_000 {
				t.Errorf("%s: %d bytes of %d sent, %v", name, n, req.ContentLength, err)
			}
			return respond(429, "")
		})
		recognizer := recognize.NewRecognizer(recognize.Config{Transport: discard, BaseURL: baseURL})
		input := req()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := recognizer.Post(t.Context(), input)
		runtime.ReadMemStats(&after)
		input.Release()
		if used := after.TotalAlloc - before.TotalAlloc; err != nil || used > 512<<10 {
			t.Errorf("%s: %d bytes of memory for one of %d, %v", name, used, len(large), err)
		}
	}
}

func withQuery(req *gateway.Request, query string) *gateway.Request {
	req.Query = query
	return req
}

// TestOptionsInQuery: they count as the body's do, and less where both have them.
func TestOptionsInQuery(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for _, tt := range []struct {
			name, contentType string
			req               *gateway.Request
		}{
			{"a form", "application/xml", withQuery(form(scansForm(1)), "format=xml&recognitionThreshold=7")},
			{"a form with others", "application/json", withQuery(form(scansForm(1, field{name: "format", value: "JSON"})), "format=xml&recognitionThreshold=7")},
			{"a task", "application/xml", withQuery(request(taskJSON(1, nil), "Content-Type", "application/json"), "OUTPUTFORMAT=csv&OUTPUTFORMAT=xml&recognitionThreshold=7&")},
		} {
			var submitted string
			r.on(func(call, _ int, req *http.Request) (*http.Response, error) {
				if call == submission {
					body, err := req.GetBody()
					if err != nil {
						t.Fatal(err)
					}
					sent, _ := io.ReadAll(body)
					submitted = string(sent)
				}
				return nil, nil
			})
			got := r.post(t, tt.req)
			if got.status != 200 || got.header.Get("Content-Type") != tt.contentType || !strings.Contains(submitted, `"recognitionThreshold":7`) {
				t.Errorf("%s: %v", tt.name, got)
			}
		}
		got := r.generate(t, withQuery(form([]field{{"markup", "", markup}, {"paperSize", "", "Letter"}}, "Accept", "application/zip"), "paperSize=A4&fontSize=9"))
		if got.status != 200 {
			t.Errorf("a form to print: %v", got)
		}
		for _, query := range []string{"paperSize=A3", "private=1"} {
			got = r.generate(t, withQuery(form([]field{{"markup", "", markup}}, "Accept", "application/zip"), query))
			wantProblem(t, got, problem.InvalidInput, "")
		}
	})
}
