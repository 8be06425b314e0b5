package sandbox_test

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"omr-relay/internal/sandbox"
)

func TestRunOmrTask(t *testing.T) {
	for _, tt := range []struct {
		action     string
		files      []string
		templateID bool
	}{
		{"GenerateTemplate", []string{"my form.omr", "my form.png"}, false},
		{"CorrectTemplate", []string{"my form.omrcr"}, true},
		{"FinalizeTemplate", []string{"RecognitionResult.dat"}, true},
		{"RecognizeImage", []string{"my form.dat"}, true},
	} {
		t.Run(tt.action, func(t *testing.T) {
			resp, body := asposeCall(t, &sandbox.Aspose{}, http.MethodPost,
				"http://x/v3.0/omr/Logos%2Fmy%20form.png/runOmrTask?actionName="+tt.action+"&storage=&folder=", `{"functionParam":"x"}`)
			var answer struct {
				ErrorCode *int `json:"errorCode"`
				Payload   struct {
					Result struct {
						TemplateID string `json:"templateId"`
						Files      []struct {
							Name string `json:"name"`
							Size int    `json:"size"`
							Data []byte `json:"data"`
						} `json:"responseFiles"`
					} `json:"result"`
				} `json:"payload"`
			}
			if err := json.Unmarshal([]byte(body), &answer); err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("%d %s: %v", resp.StatusCode, body, err)
			}
			var names []string
			for _, f := range answer.Payload.Result.Files {
				names = append(names, f.Name)
				if f.Size == 0 || f.Size != len(f.Data) {
					t.Errorf("%s: size %d, %d bytes", f.Name, f.Size, len(f.Data))
				}
			}
			if *answer.ErrorCode != 0 || !slices.Equal(names, tt.files) || (answer.Payload.Result.TemplateID != "") != tt.templateID {
				t.Errorf("answer %s", body)
			}
		})
	}
}

func TestRunOmrTaskSpellings(t *testing.T) {
	for version, keys := range map[string][]string{
		"v3.0": {`"errorCode":0`, `"responseFiles":[`, `"name":"a.dat"`},
		"v1.1": {`"ErrorCode":0`, `"ResponseFiles":[`, `"Name":"a.dat"`},
	} {
		_, body := asposeCall(t, &sandbox.Aspose{}, http.MethodPost, "http://x/"+version+"/omr/a.png/runOmrTask?actionName=RecognizeImage", "")
		for _, key := range keys {
			if !strings.Contains(body, key) {
				t.Errorf("%s: no %s in %s", version, key, body)
			}
		}
	}
}

func TestStorage(t *testing.T) {
	a := &sandbox.Aspose{}
	const base = "http://x/v3.0/omr/storage/"
	steps := []struct {
		method, path, body string
		status             int
		want               string // exact body, or its prefix when it ends in …
	}{
		{"GET", "exist/Logos", "", 200, `{"exists":false,"isFolder":false}`},
		{"GET", "main/exist", "", 200, `{"exists":true}`},
		{"PUT", "folder/Logos", "", 200, ""},
		{"GET", "exist/Logos?storageName=main", "", 200, `{"exists":true,"isFolder":true}`},
		{"GET", "folder/Logos", "", 200, `{"value":[]}`},
		{"PUT", "file/Logos/a.png", "12345", 200, `{"errors":[],"uploaded":["a.png"]}`},
		{"POST", "file/Logos%2Fdeep%2Fb.png", "1", 200, `{"errors":[],"uploaded":["b.png"]}`},
		{"GET", "file/Logos/a.png", "", 200, "12345"},
		{"GET", "exist/Logos/a.png", "", 200, `{"exists":true,"isFolder":false}`},
		{"GET", "folder/Logos", "", 200, `{"value":[{"name":"a.png","isFolder":false,"size":5,"path":"/Logos/a.png"},{"name":"deep","isFolder":true,"size":0,"path":"/Logos/deep"}]}`},
		{"GET", "folder/", "", 200, `{"value":[{"name":"Logos","isFolder":true,"size":0,"path":"/Logos"}]}`},
		{"GET", "disc", "", 200, `{"totalSize":67108864,"usedSize":6}`},
		{"PUT", "file/copy/Logos/a.png?destPath=copy.png", "", 200, ""},
		{"PUT", "file/move/copy.png?destPath=/moved.png", "", 200, ""},
		{"PUT", "file/move/moved.png", "", 400, `{"error":{…`},
		{"PUT", "file/move/none?destPath=x", "", 404, `{"error":{"code":"errorItemNotFound"…`},
		{"GET", "file/copy.png", "", 404, `{"error":{"code":"errorItemNotFound"…`},
		{"GET", "file/moved.png", "", 200, "12345"},
		{"DELETE", "file/moved.png", "", 200, ""},
		{"DELETE", "folder/Logos?recursive=true", "", 200, ""},
		{"GET", "folder/Logos", "", 404, `{"error":{"code":"errorItemNotFound"…`},
		{"GET", "disc", "", 200, `{"totalSize":67108864,"usedSize":0}`},
		{"GET", "other", "", 404, ""},
		{"PATCH", "file/a", "", 405, ""},
	}
	for _, step := range steps {
		resp, body := asposeCall(t, a, step.method, base+step.path, step.body)
		prefix, isPrefix := strings.CutSuffix(step.want, "…")
		if resp.StatusCode != step.status || !isPrefix && body != step.want || !strings.HasPrefix(body, prefix) {
			t.Errorf("%s %s: %d %s, want %d %s", step.method, step.path, resp.StatusCode, body, step.status, step.want)
		}
	}
}

func TestStorageTakesMultipartUploads(t *testing.T) {
	a := &sandbox.Aspose{}
	rt := sandbox.InProcess(a)
	var body bytes.Buffer
	mw := multipart.NewWriter(&body)
	part, _ := mw.CreateFormFile("File", "a.png")
	_, _ = part.Write([]byte("content"))
	mw.Close()
	const target = "http://x/v3.0/omr/storage/file/a.png"
	if resp, answer := call(t, rt, http.MethodPut, target, body.String(), "Authorization", "Bearer any", "Content-Type", mw.FormDataContentType()); resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", resp.StatusCode, answer)
	}
	if _, got := asposeCall(t, a, http.MethodGet, target, ""); got != "content" {
		t.Errorf("stored %q", got)
	}
	if resp, _ := call(t, rt, http.MethodPut, target, "broken", "Authorization", "Bearer any", "Content-Type", mw.FormDataContentType()); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("broken upload: %d, want 400", resp.StatusCode)
	}
}

func TestStorageIsBounded(t *testing.T) {
	a := &sandbox.Aspose{}
	const target = "http://x/v3.0/omr/storage/file/"
	chunk := strings.Repeat("x", 8<<20)
	for i := range 8 {
		if resp, _ := asposeCall(t, a, http.MethodPut, target+string(rune('a'+i)), chunk); resp.StatusCode != http.StatusOK {
			t.Fatalf("file %d: %d", i, resp.StatusCode)
		}
	}
	if resp, _ := asposeCall(t, a, http.MethodPut, target+"more", "x"); resp.StatusCode != http.StatusInsufficientStorage {
		t.Errorf("over the cap: %d, want 507", resp.StatusCode)
	}
	if resp, _ := asposeCall(t, a, http.MethodPut, target+"a", "x"); resp.StatusCode != http.StatusOK {
		t.Errorf("replacing a file by a smaller one: %d, want 200", resp.StatusCode)
	}
}
