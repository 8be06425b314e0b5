package recognize_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"omr-relay/handler/gateway"
	"omr-relay/internal/problem"
)

var nobody gateway.Caller

func uploadForm(ids ...string) []field {
	var fields []field
	for _, id := range ids {
		fields = append(fields, field{name: "upload", value: id})
	}
	return append(fields, field{"pattern", "form.omr", patternText()})
}

// TestUpload: a scan that was uploaded goes upstream as one that came with the call.
func TestUpload(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		id := r.put(nobody, 1, scan(0))
		r.Aspose.Record(10)
		for name, req := range map[string]*gateway.Request{
			"form": form(uploadForm(id)),
			"JSON": request([]byte(`{"images":[{"upload":"`+id+`"}],"omrFile":"`+base64.StdEncoding.EncodeToString([]byte(patternText()))+`"}`), "Content-Type", "application/json"),
		} {
			got := r.post(t, req)
			if got.status != http.StatusOK || !strings.HasPrefix(got.body, "Element Name,Value") || got.record.UploadBytes != int64(len(scan(0))) {
				t.Errorf("%s: %v", name, got)
			}
			var sent struct{ Images [][]byte }
			all := r.Aspose.Requests()
			for _, call := range all[len(all)-3:] {
				if call.Method == http.MethodPost && (json.Unmarshal(call.Body, &sent) != nil || string(sent.Images[0]) != scan(0)) {
					t.Errorf("%s: the upstream got %.200s", name, call.Body)
				}
			}
		}
		r.wantCalls(t, 2, 4)
	})
}

// Scans of both kinds make one table, in their order.
func TestUploadsAmongImages(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		fields := append(uploadForm(r.put(nobody, 1, scan(1)), r.put(nobody, 2, scan(2))), field{"image", "late.jpg", scan(3)})
		got := r.post(t, form(fields))
		lines := strings.Split(strings.TrimSpace(got.body), "\r\n")
		if got.status != http.StatusOK || len(lines) != 4 || !strings.HasPrefix(lines[1], "1,Ok") || !strings.HasPrefix(lines[2], "2,Ok") || !strings.HasPrefix(lines[3], "late.jpg,Ok") {
			t.Errorf("%v", got)
		}
	})
}

// An upload is read again for the call that goes out after a 401.
func TestUploadAfter401(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		id := r.put(nobody, 1, scan(0))
		r.Aspose.Record(10)
		r.on(func(call, n int, _ *http.Request) (*http.Response, error) {
			if call == submission && n == 1 {
				return respond(http.StatusUnauthorized, "")
			}
			return nil, nil //nolint:nilnil // the stand-in answers
		})
		if got := r.post(t, form(uploadForm(id))); got.status != http.StatusOK {
			t.Errorf("%v", got)
		}
		var sent struct{ Images [][]byte }
		if err := json.Unmarshal(r.Aspose.Requests()[0].Body, &sent); err != nil || string(sent.Images[0]) != scan(0) {
			t.Errorf("the upstream got %.200s", r.Aspose.Requests()[0].Body)
		}
	})
}

// What is wrong with an upload is found out before anything is paid, in the words
// that an image gets.
func TestUploadsThatAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		data, id string
		code     problem.Code
		detail   string
	}{
		"missing":       {id: strings.Repeat("a", 32), code: problem.UploadNotFound, detail: "not sent whole, or is older than a day"},
		"no id":         {id: "../../x", code: problem.UploadNotFound, detail: "There is no such upload"},
		"empty":         {id: "-", code: problem.InvalidInput, detail: "number 1 is empty"},
		"HEIC":          {data: "\x00\x00\x00\x18ftypheic", code: problem.InvalidInput, detail: "number 1 is HEIC"},
		"text":          {data: "hello", code: problem.InvalidInput, detail: "number 1 is none of JPEG"},
		"PDF of pages":  {data: pdfOf(3), code: problem.InvalidInput, detail: "number 1 is a PDF of several pages"},
		"TIFF of pages": {data: tiffOf(2), code: problem.InvalidInput, detail: "number 1 is a TIFF of several pages"},
		"long id":       {id: strings.Repeat("a", 1000), code: problem.InvalidInput, detail: "the id that POST /uploads gave"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				id := tt.id
				if id == "" || id == "-" {
					id = r.put(nobody, 1, tt.data)
				}
				wantProblem(t, r.post(t, form(uploadForm(id))), tt.code, tt.detail)
				r.wantCalls(t, 0, 0)
			})
		})
	}
}

// JSON that names an upload in another way than it has is not guessed at.
func TestUploadsInJSON(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		id := r.put(nobody, 1, scan(0))
		pattern := base64.StdEncoding.EncodeToString([]byte(patternText()))
		for text, detail := range map[string]string{
			`{"images":[{}],"omrFile":"P"}`:                                  `one member, "upload"`,
			`{"images":[{"upload":"ID","name":"x"}],"omrFile":"P"}`:          `one member, "upload"`,
			`{"images":[{"upload":"ID","upload":"ID"}],"omrFile":"P"}`:       `one member, "upload"`,
			`{"images":[{"upload":7}],"omrFile":"P"}`:                        "the id that POST /uploads gave",
			`{"images":[{"upload":""}],"omrFile":"P"}`:                       "the id that POST /uploads gave",
			`{"images":[{"image":"ID"}],"omrFile":"P"}`:                      `one member, "upload"`,
			`{"images":[{"upload":"ID"}],"omrFile":{"upload":"ID"}}`:         "text of base64",
			`{"images":[{"upload":"ID"}],"omrFile":"P","outputFormat":null}`: "",
		} {
			got := r.post(t, request([]byte(strings.NewReplacer("ID", id, `"P"`, `"`+pattern+`"`).Replace(text)), "Content-Type", "application/json"))
			if detail == "" {
				if got.status != http.StatusOK {
					t.Errorf("%s: %v", text, got)
				}
				continue
			}
			wantProblem(t, got, problem.InvalidInput, detail)
		}
		r.wantCalls(t, 1, 2)
	})
}

// Another caller's upload is not there.
func TestUploadOfAnother(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		one := decodeCaller(t, "one")
		id := r.put(one, 1, scan(0))
		for _, other := range []gateway.Caller{nobody, decodeCaller(t, "two")} {
			req := form(uploadForm(id))
			req.Caller = other
			wantProblem(t, r.post(t, req), problem.UploadNotFound, "There is no such upload")
		}
		req := form(uploadForm(id))
		req.Caller = one
		if got := r.post(t, req); got.status != http.StatusOK {
			t.Errorf("its own caller: %v", got)
		}
	})
}

// decodeCaller is who has the API key with that id.
func decodeCaller(t *testing.T, keyID string) gateway.Caller {
	t.Helper()
	e, err := gateway.Decode([]byte(`{"resource":"/{proxy+}","path":"/x","httpMethod":"GET","requestContext":{"stage":"s","identity":{"apiKeyId":"` + keyID + `"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Request.Release()
	return e.Request.Caller
}

// Where there is no bucket, an upload is a mistake.
func TestNoBucket(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for _, req := range []*gateway.Request{
			form(uploadForm(strings.Repeat("a", 32))),
			request([]byte(`{"images":[{"upload":"a"}]}`), "Content-Type", "application/json"),
		} {
			wantProblem(t, invoke(t, invocation, r.bare.Post, req), problem.InvalidInput, "upload: there is no bucket here to upload to")
		}
		// Nor is there a record of keys: the header is passed over.
		for range 2 {
			if got := invoke(t, invocation, r.bare.Post, form(scansForm(1), "Idempotency-Key", "k")); got.status != http.StatusOK {
				t.Errorf("%v", got)
			}
		}
		r.wantCalls(t, 2, 4)
	})
}
