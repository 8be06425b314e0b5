package sandbox

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

var runOmrTaskPath = regexp.MustCompile(`^/(v3\.0|v1\.1)/omr/([^/]+)/runOmrTask$`)

// legacyRoute returns the methods of a path of the v3.0 or v1.1 API, nil if
// there is no such path.
func legacyRoute(escapedPath string) map[string]endpoint {
	if m := runOmrTaskPath.FindStringSubmatch(escapedPath); m != nil {
		return map[string]endpoint{http.MethodPost: runOmrTask(m[1], m[2])}
	}
	if rest, ok := strings.CutPrefix(escapedPath, "/v3.0/omr/storage/"); ok {
		return storageRoute(rest)
	}
	return nil
}

// runOmrTask answers at once with the files that the action would make. The
// file it names need not be in the storage: v1.1 clients upload elsewhere.
func runOmrTask(apiVersion, escapedName string) endpoint {
	return func(_ *Aspose, w http.ResponseWriter, r *http.Request, body []byte) {
		name, err := url.PathUnescape(escapedName)
		if err != nil {
			writeProblem(w, "name", "The name is not valid.")
			return
		}
		if len(body) > 0 && !json.Valid(body) {
			writeProblem(w, "$", "The JSON value could not be converted.")
			return
		}
		stem := strings.TrimSuffix(path.Base(name), path.Ext(name))
		templateID := newGUID()
		var files []any
		switch action := r.URL.Query().Get("actionName"); action {
		case "GenerateTemplate":
			files, templateID = []any{fileInfo(stem+".omr", SamplePattern()), fileInfo(stem+".png", SampleForm())}, ""
		case "CorrectTemplate":
			files = []any{fileInfo(stem+".omrcr", SamplePattern())}
		case "FinalizeTemplate":
			files = []any{fileInfo("RecognitionResult.dat", sampleResults["Csv"])}
		case "RecognizeImage":
			files = []any{fileInfo(stem+".dat", sampleResults["Csv"])}
		default:
			writeProblem(w, "actionName", "The actionName is not supported.")
			return
		}

		var answer any = map[string]any{
			"errorCode": 0,
			"errorText": "",
			"payload": map[string]any{"result": map[string]any{
				"templateId":    templateID,
				"executionTime": 0,
				"responseFiles": files,
				"info": map[string]any{
					"responseVersion":      "2.0",
					"processedTasksCount":  1,
					"successfulTasksCount": 1,
					"details": map[string]any{
						"taskMessages":          []any{sampleNote},
						"taskResult":            "Pass",
						"recognitionStatistics": []any{},
					},
				},
			}},
			"serverStat": map[string]any{"storageDownloadTime": "0", "omrFunctionCallTime": "0"},
		}
		if apiVersion == "v1.1" {
			answer = pascalKeys(answer)
		}
		writeJSON(w, http.StatusOK, "application/json; charset=utf-8", answer)
	}
}

func fileInfo(name string, data []byte) map[string]any {
	return map[string]any{"name": name, "size": len(data), "data": data}
}

// pascalKeys capitalizes every key: v1.1 and v3.0 differ in nothing else.
func pascalKeys(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			first, size := utf8.DecodeRuneInString(key)
			out[string(unicode.ToUpper(first))+key[size:]] = pascalKeys(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = pascalKeys(value)
		}
		return out
	default:
		return v
	}
}
