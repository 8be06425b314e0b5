package sandbox_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"image/png"
	"net/http"
	"slices"
	"strings"
	"testing"

	"omr-relay/internal/sandbox"
)

const (
	recognize = "http://x/v5.0/omr/RecognizeTemplate"
	generate  = "http://x/v5.0/omr/GenerateTemplate"
	unknownID = "00000000-0000-4000-8000-000000000000"
)

// asposeCall sends a request with a Bearer and a JSON content type.
func asposeCall(t *testing.T, a *sandbox.Aspose, method, target, body string) (*http.Response, string) {
	t.Helper()
	return call(t, sandbox.InProcess(a), method, target, body, "Authorization", "Bearer any", "Content-Type", "application/json")
}

type polled struct {
	ID                 string           `json:"id"`
	ResponseStatusCode string           `json:"responseStatusCode"`
	Results            []sandboxResult  `json:"results"`
	Error              *json.RawMessage `json:"error"`
}

type sandboxResult struct {
	Type string `json:"type"`
	Data []byte `json:"data"`
}

func poll(t *testing.T, a *sandbox.Aspose, target string) polled {
	t.Helper()
	resp, body := asposeCall(t, a, http.MethodGet, target, "")
	var got polled
	if err := json.Unmarshal([]byte(body), &got); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s: %v", resp.StatusCode, body, err)
	}
	if got.Error != nil || (got.ResponseStatusCode == "Ok") != (len(got.Results) > 0) {
		t.Fatalf("answer %s", body)
	}
	return got
}

func submit(t *testing.T, a *sandbox.Aspose, target, body string) (id string) {
	t.Helper()
	resp, id := asposeCall(t, a, http.MethodPost, target, body)
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") || len(id) != 36 {
		t.Fatalf("submit: %d %q %q", resp.StatusCode, resp.Header.Get("Content-Type"), id)
	}
	return id
}

func TestRecognitionLife(t *testing.T) {
	for _, tt := range []struct {
		format, resultType string
		wellFormed         func([]byte) error
	}{
		{``, "Csv", readCSV},
		{`,"outputFormat":"CSV"`, "Csv", readCSV},
		{`,"outputFormat":"json","recognitionThreshold":0`, "Json", func(b []byte) error { return json.Unmarshal(b, new(any)) }},
		{`,"outputFormat":"Xml","recognitionThreshold":100`, "Xml", func(b []byte) error { return xml.Unmarshal(b, new(struct{})) }},
	} {
		t.Run(tt.resultType+tt.format, func(t *testing.T) {
			a := &sandbox.Aspose{}
			id := submit(t, a, recognize+"/PostRecognizeTemplate", `{"images":["AAAA"],"omrFile":"AAAA"`+tt.format+`}`)
			get := recognize + "/GetRecognizeTemplate?id=" + id + "&"
			if got := poll(t, a, get); got.ResponseStatusCode != "NotReady" || got.ID != id {
				t.Fatalf("first poll: %+v", got)
			}
			for range 2 {
				got := poll(t, a, get)
				if got.ResponseStatusCode != "Ok" || len(got.Results) != 1 || got.Results[0].Type != tt.resultType {
					t.Fatalf("later poll: %+v", got)
				}
				data := got.Results[0].Data
				if err := tt.wellFormed(data); err != nil || !bytes.Contains(data, []byte("SAMPLE")) || !bytes.Contains(data, []byte("stand-in")) {
					t.Errorf("result %s: %v", data, err)
				}
			}
		})
	}
}

func readCSV(data []byte) error {
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	_, err := r.ReadAll()
	return err
}

func TestSubmissionAnswersAsAccepted(t *testing.T) {
	for _, tt := range []struct {
		accept string
		json   bool
	}{
		{"", false},
		{"*/*", false},
		{"text/plain, application/json, text/json", false},
		{"application/json, text/plain", true},
		{"application/json", true},
		{"Text/JSON; charset=utf-8", true},
		{"application/*", true},
		{"image/png, text/*", false},
		{"image/png", false},
	} {
		resp, body := call(t, sandbox.InProcess(&sandbox.Aspose{}), http.MethodPost, recognize+"/PostRecognizeTemplate",
			`{"images":["AAAA"],"omrFile":"AAAA"}`, "Authorization", "Bearer any", "Content-Type", "application/json", "Accept", tt.accept)
		contentType, length := "text/plain; charset=utf-8", 36
		if tt.json {
			contentType, length = "application/json; charset=utf-8", 36+len(`""`)
		}
		var id string
		isJSON := json.Unmarshal([]byte(body), &id) == nil
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != contentType || len(body) != length || isJSON != tt.json {
			t.Errorf("Accept %q: %d %q %s", tt.accept, resp.StatusCode, resp.Header.Get("Content-Type"), body)
		}
	}
}

func TestGenerationLife(t *testing.T) {
	a := &sandbox.Aspose{}
	a.SetNotReady(0)
	id := submit(t, a, generate+"/PostGenerateTemplate", `{"MarkupFile":"AAAA","Images":{"a.png":"AAAA"},"settings":{"PaperSize":"A4"}}`)
	got := poll(t, a, generate+"/GetGenerateTemplate?id="+strings.ToUpper(id))
	if len(got.Results) != 2 || got.Results[0].Type != "Png" || got.Results[1].Type != "Omr" {
		t.Fatalf("results %+v", got.Results)
	}
	page, err := png.Decode(bytes.NewReader(got.Results[0].Data))
	if err != nil {
		t.Fatal(err)
	}
	var pattern struct {
		Name  string
		Pages []struct {
			Width, Height int
			Elements      []struct{ Bubbles []struct{ Top, Left int } }
		}
	}
	if err := json.Unmarshal(got.Results[1].Data, &pattern); err != nil {
		t.Fatal(err)
	}
	size := page.Bounds().Size()
	if len(pattern.Pages) != 1 || pattern.Pages[0].Width != size.X || pattern.Pages[0].Height != size.Y ||
		len(pattern.Pages[0].Elements) != 3 || !strings.Contains(pattern.Name, "SAMPLE") {
		t.Errorf("pattern %s does not fit a page of %v", got.Results[1].Data, size)
	}
	if got := poll(t, a, recognize+"/GetRecognizeTemplate?id="+id); got.ResponseStatusCode != "TaskNotFound" {
		t.Errorf("a generation fetched as a recognition: %s", got.ResponseStatusCode)
	}
}

func TestSampleFormsAreSmallAndDiffer(t *testing.T) {
	blank, filled := sandbox.SampleForm(), sandbox.SampleFilledForm()
	for _, form := range [][]byte{blank, filled} {
		if _, err := png.Decode(bytes.NewReader(form)); err != nil || len(form) > 8<<10 {
			t.Errorf("form of %d bytes: %v", len(form), err)
		}
	}
	if bytes.Equal(blank, filled) {
		t.Error("the filled form has no marks")
	}
	clear(blank)
	if !bytes.HasPrefix(sandbox.SampleForm(), []byte("\x89PNG")) {
		t.Error("a caller's change reached the sample")
	}
}

func TestCancelBothSpellings(t *testing.T) {
	tasks := []struct{ submit, body, get, cancel string }{
		{recognize + "/PostRecognizeTemplate", `{"images":["AAAA"],"omrFile":"AAAA"}`, recognize + "/GetRecognizeTemplate?id=", recognize + "?id="},
		{recognize + "/PostRecognizeTemplate", `{"images":["AAAA"],"omrFile":"AAAA"}`, recognize + "/GetRecognizeTemplate?id=", recognize + "/CancelRecognizeTemplate?id="},
		{generate + "/PostGenerateTemplate", `{"markupFile":"AAAA"}`, generate + "/GetGenerateTemplate?id=", generate + "?id="},
		{generate + "/PostGenerateTemplate", `{"markupFile":"AAAA"}`, generate + "/GetGenerateTemplate?id=", generate + "/CancelGenerateTemplate?id="},
	}
	a := &sandbox.Aspose{}
	a.SetNotReady(3)
	for _, tt := range tasks {
		id := submit(t, a, tt.submit, tt.body)
		for range 2 { // the second time the task is gone already
			if resp, body := asposeCall(t, a, http.MethodDelete, tt.cancel+id+"&", "{}"); resp.StatusCode != http.StatusOK || body != "" {
				t.Errorf("%s: %d %q, want 200 and nothing", tt.cancel, resp.StatusCode, body)
			}
			if got := poll(t, a, tt.get+id); got.ResponseStatusCode != "TaskNotFound" || got.ID != id {
				t.Errorf("%s: polled %+v", tt.cancel, got)
			}
		}
	}
}

func TestSetNotReadyCountsPollsPerTask(t *testing.T) {
	a := &sandbox.Aspose{}
	a.SetNotReady(2)
	first := submit(t, a, "http://x/v5.0/omr/recognize", `{"images":["AAAA"],"omrFile":"AAAA"}`)
	second := submit(t, a, "http://x/v5.0/omr/recognize", `{"images":["AAAA"],"omrFile":"AAAA"}`)
	for _, id := range []string{first, second} {
		var got []string
		for range 4 {
			got = append(got, poll(t, a, recognize+"/GetRecognizeTemplate?id="+id).ResponseStatusCode)
		}
		if want := []string{"NotReady", "NotReady", "Ok", "Ok"}; !slices.Equal(got, want) {
			t.Errorf("polls %v, want %v", got, want)
		}
	}
}

func TestAsposeRefusals(t *testing.T) {
	const post = recognize + "/PostRecognizeTemplate"
	for _, tt := range []struct {
		name, method, target, body string
		status                     int
		field                      string // of the validation problem
	}{
		{"not JSON", "POST", post, `images`, 400, "$"},
		{"trailing data", "POST", post, `{"images":["AAAA"],"omrFile":"AAAA"}{}`, 400, "$"},
		{"no images", "POST", post, `{"omrFile":"AAAA"}`, 400, "images"},
		{"empty image", "POST", post, `{"images":[""],"omrFile":"AAAA"}`, 400, "images"},
		{"image not Base64", "POST", post, `{"images":["AAAA","!"],"omrFile":"AAAA"}`, 400, "images"},
		{"no pattern", "POST", post, `{"images":["AAAA"]}`, 400, "omrFile"},
		{"pattern not Base64", "POST", post, `{"images":["AAAA"],"omrFile":"{}"}`, 400, "omrFile"},
		{"format", "POST", post, `{"images":["AAAA"],"omrFile":"AAAA","outputFormat":"PDF"}`, 400, "outputFormat"},
		{"threshold high", "POST", post, `{"images":["AAAA"],"omrFile":"AAAA","recognitionThreshold":101}`, 400, "recognitionThreshold"},
		{"threshold low", "POST", post, `{"images":["AAAA"],"omrFile":"AAAA","recognitionThreshold":-1}`, 400, "recognitionThreshold"},
		{"threshold fraction", "POST", post, `{"images":["AAAA"],"omrFile":"AAAA","recognitionThreshold":1.5}`, 400, "$"},
		{"oversized", "POST", post, strings.Repeat(" ", 10<<20+1), 413, ""},
		{"no markup", "POST", generate + "/PostGenerateTemplate", `{}`, 400, "markupFile"},
		{"markup image", "POST", generate + "/PostGenerateTemplate", `{"markupFile":"AAAA","images":{"a":"!"}}`, 400, "images"},
		{"get without id", "GET", recognize + "/GetRecognizeTemplate?", ``, 400, "id"},
		{"cancel without id", "DELETE", generate, ``, 400, "id"},
		{"method", "GET", post, ``, 405, ""},
		{"path", "GET", "http://x/v5.0/omr/Other", ``, 404, ""},
		{"double slash", "POST", "http://x//v5.0/omr/recognize", `{}`, 404, ""},
		{"legacy action", "POST", "http://x/v3.0/omr/a.png/runOmrTask?actionName=Other", `{}`, 400, "actionName"},
		{"legacy body", "POST", "http://x/v3.0/omr/a.png/runOmrTask?actionName=RecognizeImage", `{`, 400, "$"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := asposeCall(t, &sandbox.Aspose{MaxRequest: 10 << 20}, tt.method, tt.target, tt.body)
			if resp.StatusCode != tt.status {
				t.Fatalf("%d %s, want %d", resp.StatusCode, body, tt.status)
			}
			if tt.status == http.StatusMethodNotAllowed && resp.Header.Get("Allow") != "POST" {
				t.Errorf("Allow = %q", resp.Header.Get("Allow"))
			}
			if tt.field == "" {
				return
			}
			var problem struct {
				Status int
				Errors map[string][]string
			}
			if err := json.Unmarshal([]byte(body), &problem); err != nil || problem.Status != 400 || len(problem.Errors[tt.field]) != 1 {
				t.Errorf("problem %s: %v, want field %s", body, err, tt.field)
			}
		})
	}
	resp, _ := call(t, sandbox.InProcess(&sandbox.Aspose{}), "POST", post, `{"images":["AAAA"],"omrFile":"AAAA"}`, "Authorization", "Bearer any", "Content-Type", "text/plain")
	if resp.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("text/plain: %d, want 415", resp.StatusCode)
	}
}

func TestAsposeWantsOneValidBearer(t *testing.T) {
	a := &sandbox.Aspose{Valid: func(token string) bool { return token == "good" }}
	rt := sandbox.InProcess(a)
	const target = recognize + "/GetRecognizeTemplate?id=" + unknownID
	for _, tt := range []struct {
		name   string
		header []string
		want   string // WWW-Authenticate; none: accepted
	}{
		{"none", nil, "Bearer"},
		{"wrong token", []string{"Authorization", "Bearer bad"}, `Bearer error="invalid_token"`},
		{"empty token", []string{"Authorization", "Bearer "}, `Bearer error="invalid_token"`},
		{"other scheme", []string{"Authorization", "Basic good"}, `Bearer error="invalid_token"`},
		{"two headers", []string{"Authorization", "Bearer good", "Authorization", "Bearer good"}, `Bearer error="invalid_token"`},
		{"valid", []string{"Authorization", "Bearer good"}, ""},
		{"scheme in lower case", []string{"Authorization", "bearer good"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := call(t, rt, http.MethodGet, target, "", tt.header...)
			want := http.StatusOK
			if tt.want != "" {
				want = http.StatusUnauthorized
			}
			if got := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != want || got != tt.want {
				t.Errorf("%d %q %s, want %d %q", resp.StatusCode, got, body, want, tt.want)
			}
		})
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		if resp, body := call(t, rt, method, "http://x/", ""); resp.StatusCode != http.StatusOK || (body == "") != (method == http.MethodHead) {
			t.Errorf("%s /: %d %q", method, resp.StatusCode, body)
		}
	}
}
