package recognize_test

import (
	"archive/zip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"omr-relay/handler/gateway"
	"omr-relay/internal/problem"
	"omr-relay/internal/sandbox"
)

const markup = "?text=Name____\n#What is it?\n\t() This () That\n"

func (r *rig) generate(t *testing.T, req *gateway.Request) reply {
	t.Helper()
	return invoke(t, invocation, r.generator.Post, req)
}

func markupRequest(query string, header ...string) *gateway.Request {
	req := request([]byte(markup), append([]string{"Content-Type", "text/plain; charset=utf-8", "Accept", "application/zip, */*"}, header...)...)
	req.Query = query
	return req
}

// TestGenerate is a form in one call, in each way that it can be asked for.
func TestGenerate(t *testing.T) {
	type sent struct {
		MarkupFile []byte
		Images     map[string][]byte
		Settings   map[string]any
	}
	logo := scan(3)
	for _, tt := range []struct {
		name     string
		req      *gateway.Request
		images   int
		settings map[string]any
	}{
		{"markup alone", markupRequest(""), 0, nil},
		{"with settings", markupRequest("papersize=letter&FontSize=12&fontFamily=Segoe%20UI"), 0,
			map[string]any{"paperSize": "Letter", "fontSize": 12.0, "fontFamily": "Segoe UI"}},
		{"a form", form([]field{{"markup", "form.txt", markup}, {"image", "logo1.jpg", logo}, {"image", "dir/logo2.jpg", logo}, {"orientation", "", "Vertical"}},
			"Accept", "application/zip"), 2, map[string]any{"orientation": "Vertical"}},
		{"a form with settings in JSON", form([]field{{"markupFile", "form.txt", markup}, {"settings", "", `{"bubbleColor":"Red","new":true}`}},
			"Accept", "application/zip"), 0, map[string]any{"bubbleColor": "Red", "new": true}},
		{"a task", request(fmt.Appendf(nil, `{"MarkupFile":"%s","Images":{"logo1.jpg":"%s"},"Settings":{"PaperSize":"A4"}}`,
			base64.StdEncoding.EncodeToString([]byte(markup)), base64.StdEncoding.EncodeToString([]byte(logo))),
			"Content-Type", "application/json", "Accept", "application/zip"), 1, map[string]any{"PaperSize": "A4"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.Aspose.Record(9)
				got := r.generate(t, tt.req)
				if got.status != 200 || got.header.Get("Content-Type") != "application/zip" || got.header.Get("Omr-Status") != "Ok" {
					t.Fatalf("%v", got)
				}
				r.wantCalls(t, 1, 2)
				archive, err := zip.NewReader(strings.NewReader(got.body), int64(len(got.body)))
				if err != nil {
					t.Fatal(err)
				}
				files := map[string]string{}
				for _, f := range archive.File {
					content, err := f.Open()
					if err != nil {
						t.Fatal(err)
					}
					data, err := io.ReadAll(content)
					if err != nil {
						t.Fatal(err)
					}
					files[f.Name] = string(data)
				}
				if len(files) != 2 || files["page-1.png"] != string(sandbox.SampleForm()) || files["form.omr"] != patternText() {
					t.Errorf("files %q", slices.Collect(func(yield func(string) bool) {
						for name := range files {
							if !yield(name) {
								return
							}
						}
					}))
				}
				var in sent
				if err := json.Unmarshal(r.Aspose.Requests()[0].Body, &in); err != nil || string(in.MarkupFile) != markup || len(in.Images) != tt.images ||
					fmt.Sprint(in.Settings) != fmt.Sprint(tt.settings) {
					t.Errorf("sent %+v, %v", in, err)
				}
				if tt.images > 0 && string(in.Images["logo1.jpg"]) != logo || tt.images > 1 && string(in.Images["logo2.jpg"]) != logo {
					t.Error("a picture is not what it was")
				}
				// The same again, by its id.
				id := strings.TrimPrefix(got.header.Get("Content-Location"), "generate/")
				later := r.getForm(t, id, "Accept", "application/zip")
				if later.status != 200 || later.body != got.body || later.header.Get("Content-Location") != id {
					t.Errorf("later: %v", later)
				}
			})
		})
	}
}

func (r *rig) getForm(t *testing.T, id string, header ...string) reply {
	t.Helper()
	return invoke(t, invocation, func(ctx context.Context, req *gateway.Request) (*gateway.Answer, error) {
		return r.generator.Get(ctx, req, id)
	}, request(nil, header...))
}

// A request that could not take the ZIP is told so before anything is paid.
func TestNotAcceptable(t *testing.T) {
	for _, accept := range []string{"", "*/*", "text/html, application/zip", "application/json", "application/zip;q=0.9", "image/png"} {
		inBubble(t, func(t *testing.T, r *rig) {
			req := request([]byte(markup), "Content-Type", "text/plain", "Accept", accept)
			wantProblem(t, r.generate(t, req), problem.NotAcceptable, "Nothing was submitted")
			wantProblem(t, r.getForm(t, "an-id", "Accept", accept), problem.NotAcceptable, "application/zip")
			r.wantCalls(t, 0, 0)
		})
	}
}

func TestGenerationStatuses(t *testing.T) {
	for _, tt := range []struct {
		outcome sandbox.Outcome
		status  int
		code    problem.Code
	}{
		{sandbox.Outcome{Status: "PartiallyNotFound", Data: true}, 200, ""},
		{sandbox.Outcome{Status: "Error", Messages: []string{"Line 3."}}, 0, problem.GenerationFailed},
		{sandbox.Outcome{Status: "NoAnyResultData"}, 0, problem.GenerationFailed},
		{sandbox.Outcome{Status: "ResultDataLost"}, 0, problem.ResultLost},
		{sandbox.Outcome{Status: "TaskNotFound"}, 0, problem.TaskNotFound},
		{sandbox.Outcome{Status: "Processing"}, 202, ""},
	} {
		inBubble(t, func(t *testing.T, r *rig) {
			r.Aspose.SetOutcomes(tt.outcome)
			got := r.generate(t, markupRequest("", "Prefer", "wait=5"))
			if tt.code != "" {
				wantProblem(t, got, tt.code, "")
				if got.err != nil && !slices.Equal(got.err.Messages, tt.outcome.Messages) {
					t.Errorf("messages %q", got.err.Messages)
				}
				return
			}
			if got.status != tt.status || got.header.Get("Preference-Applied") != "wait=5" || got.header.Get("Omr-Status") != tt.outcome.Status {
				t.Errorf("%v", got)
			}
			if id := got.record.Tasks[0]; tt.status == 202 && got.header.Get("Location") != "generate/"+id {
				t.Errorf("header %v", got.header)
			}
		})
	}
}

func TestGenerationInvalidInput(t *testing.T) {
	zipped := []string{"Accept", "application/zip"}
	for _, tt := range []struct {
		name, field, detail string
		req                 *gateway.Request
	}{
		{"no markup", "markup", "there is none", request(nil, append(zipped, "Content-Type", "text/plain")...)},
		{"blank markup", "markup", "there is none", request([]byte(" \n"), append(zipped, "Content-Type", "text/plain")...)},
		{"a scan", "markup", "UTF-8", request([]byte(scan(0)), append(zipped, "Content-Type", "text/plain")...)},
		{"two markups", "markup", "more than one", form([]field{{"markup", "", markup}, {"markup", "", markup}}, zipped...)},
		{"a picture without a name", "image", "number 1 needs a name", form([]field{{"markup", "", markup}, {"image", "", scan(0)}}, zipped...)},
		{"two of one name", "image", "number 2 needs a name", form([]field{{"markup", "", markup}, {"image", "a", scan(0)}, {"image", "a", scan(0)}}, zipped...)},
		{"a picture that is none", "image", "number 1 is none of", form([]field{{"markup", "", markup}, {"image", "a", "private"}}, zipped...)},
		{"a setting that is none", "settings", "none of markup, image and fontFamily", markupRequest("private=1")},
		{"a paper that is none", "paperSize", "A4, Letter, Legal", markupRequest("paperSize=private")},
		{"a size that is none", "fontSize", "whole number", markupRequest("fontSize=private")},
		{"settings that are none", "settings", "JSON object", form([]field{{"markup", "", markup}, {"settings", "", "[]"}}, zipped...)},
		{"settings twice", "settings", "as fields", form([]field{{"markup", "", markup}, {"settings", "", "{}"}, {"fontSize", "", "1"}}, zipped...)},
		{"a member that is none", "", "MarkupFile, Images and settings", request([]byte(`{"private":1}`), append(zipped, "Content-Type", "application/json")...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				got := r.generate(t, tt.req)
				wantProblem(t, got, problem.InvalidInput, tt.detail)
				if got.err != nil && (got.err.Field != tt.field || strings.Contains(got.err.Detail, "private")) {
					t.Errorf("field %q: %q", got.err.Field, got.err.Detail)
				}
				r.wantCalls(t, 0, 0)
			})
		})
	}
	inBubble(t, func(t *testing.T, r *rig) {
		for _, tt := range []struct {
			contentType, body, query string
			code                     problem.Code
		}{
			{"", markup, "", problem.UnsupportedMediaType},
			{"application/x-www-form-urlencoded", markup, "", problem.UnsupportedMediaType},
			{"multipart/form-data; boundary=x", markup, "", problem.BadRequest},
			{"application/json", markup, "", problem.BadRequest},
			{"text/plain", markup, "a=%zz", problem.BadRequest},
		} {
			req := request([]byte(tt.body), append(zipped, "Content-Type", tt.contentType)...)
			req.Query = tt.query
			wantProblem(t, r.generate(t, req), tt.code, "")
		}
		r.wantCalls(t, 0, 0)
	})
}

// The task of a form is not lost either.
func TestGenerationCuts(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.on(func(call, _ int, req *http.Request) (*http.Response, error) {
			if call == poll {
				return hang(req)
			}
			return nil, nil
		})
		got := r.generate(t, markupRequest(""))
		if got.status != 202 || len(got.record.Tasks) != 1 || got.took > invocation {
			t.Fatalf("%v", got)
		}
		r.on(nil)
		id := got.record.Tasks[0]
		if later := r.getForm(t, id, "Accept", "application/zip"); later.status != 200 {
			t.Errorf("later: %v", later)
		}
		gone := invoke(t, invocation, func(ctx context.Context, req *gateway.Request) (*gateway.Answer, error) {
			return r.generator.Delete(ctx, req, id)
		}, request(nil))
		if gone.status != 204 {
			t.Errorf("cancelled: %v", gone)
		}
		wantProblem(t, r.getForm(t, id, "Accept", "application/zip"), problem.TaskNotFound, "")
		wantProblem(t, r.getForm(t, "1~AAAA", "Accept", "application/zip"), problem.TaskNotFound, "")
		r.on(func(int, int, *http.Request) (*http.Response, error) { return nil, errNotTaken })
		wantProblem(t, r.generate(t, markupRequest("")), problem.UpstreamUnreachable, "was not sent")
	})
}
