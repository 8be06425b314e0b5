package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"strings"
)

// outputFormats maps outputFormat, upper-cased, to a result's type.
var outputFormats = map[string]string{"": "Csv", "CSV": "Csv", "JSON": "Json", "XML": "Xml"}

// recognizeTask is the body of a recognition; names match in any case.
type recognizeTask struct {
	Images               []string `json:"images"`
	OmrFile              string   `json:"omrFile"`
	OutputFormat         string   `json:"outputFormat"`
	RecognitionThreshold *int     `json:"recognitionThreshold"`
}

func submitRecognition(a *Aspose, w http.ResponseWriter, r *http.Request, body []byte) {
	var in recognizeTask
	if !bind(w, r, body, &in) {
		return
	}
	if len(in.Images) == 0 {
		writeProblem(w, "images", "The images field is required.")
		return
	}
	for _, image := range in.Images {
		if !isBase64(image) {
			writeProblem(w, "images", "Every image must be a non-empty Base64 string.")
			return
		}
	}
	if !isBase64(in.OmrFile) {
		writeProblem(w, "omrFile", "The omrFile field must be a non-empty Base64 string.")
		return
	}
	format, ok := outputFormats[strings.ToUpper(in.OutputFormat)]
	if !ok {
		writeProblem(w, "outputFormat", "The outputFormat field must be CSV, JSON or XML.")
		return
	}
	if t := in.RecognitionThreshold; t != nil && (*t < 0 || *t > 100) {
		writeProblem(w, "recognitionThreshold", "The field recognitionThreshold must be between 0 and 100.")
		return
	}
	a.submit(w, r, task{kind: recognition, format: format, manyPages: hasPages(in.Images[0])})
}

// generateTask is the body of a generation; settings are the service's concern.
type generateTask struct {
	MarkupFile string            `json:"markupFile"`
	Images     map[string]string `json:"images"`
	Settings   map[string]any    `json:"settings"`
}

func submitGeneration(a *Aspose, w http.ResponseWriter, r *http.Request, body []byte) {
	var in generateTask
	if !bind(w, r, body, &in) {
		return
	}
	if !isBase64(in.MarkupFile) {
		writeProblem(w, "markupFile", "The markupFile field must be a non-empty Base64 string.")
		return
	}
	for _, image := range in.Images {
		if !isBase64(image) {
			writeProblem(w, "images", "Every image must be a non-empty Base64 string.")
			return
		}
	}
	a.submit(w, r, task{kind: generation})
}

// bind decodes a JSON body into v, or answers 415 or 400 and returns false.
func bind(w http.ResponseWriter, r *http.Request, body []byte, v any) bool {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	isJSON := mediaType == "application/json" || mediaType == "text/json" ||
		strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json")
	if err != nil || !isJSON || r.Header.Get("Content-Encoding") != "" {
		writeJSON(w, http.StatusUnsupportedMediaType, problemJSON, problem{
			Type: problemBase + "6.5.13", Title: "Unsupported Media Type",
			Status: http.StatusUnsupportedMediaType, TraceID: newGUID(),
		})
		return false
	}
	if err := json.Unmarshal(body, v); err != nil {
		writeProblem(w, "$", "The JSON value could not be converted.")
		return false
	}
	return true
}

func isBase64(s string) bool {
	data, err := base64.StdEncoding.DecodeString(s)
	return err == nil && len(data) > 0
}

const (
	problemJSON = "application/problem+json; charset=utf-8"
	problemBase = "https://tools.ietf.org/html/rfc7231#section-"
)

// problem is ASP.NET Core's ValidationProblemDetails.
type problem struct {
	Type    string              `json:"type"`
	Title   string              `json:"title"`
	Status  int                 `json:"status"`
	TraceID string              `json:"traceId"`
	Errors  map[string][]string `json:"errors,omitempty"`
}

// writeProblem answers 400; message must not repeat the body.
func writeProblem(w http.ResponseWriter, field, message string) {
	writeJSON(w, http.StatusBadRequest, problemJSON, problem{
		Type: problemBase + "6.5.1", Title: "One or more validation errors occurred.",
		Status: http.StatusBadRequest, TraceID: newGUID(),
		Errors: map[string][]string{field: {message}},
	})
}
