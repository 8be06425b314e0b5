package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"

	"omr-relay/internal/sandbox"
)

// form returns a filled form and its recognition pattern: the files that
// OMR_FORM and OMR_PATTERN name, or else noise of the size of a phone's photo.
func form(t *testing.T) (image, pattern []byte) {
	t.Helper()
	if path := os.Getenv("OMR_FORM"); path != "" {
		return read(t, path), read(t, os.Getenv("OMR_PATTERN"))
	}
	image = make([]byte, 2_300_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(image)
	return image, bytes.Repeat([]byte("{\n\t\"Name\": null\r\n}"), 22_000)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// restEvent is the event of a REST API for a call with that body.
func restEvent(t *testing.T, method, path string, body []byte) []byte {
	t.Helper()
	return eventWith(t, method, path, http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer of-the-caller"}}, body)
}

// eventWith is restEvent with other headers.
func eventWith(t *testing.T, method, path string, header http.Header, body []byte) []byte {
	t.Helper()
	single := map[string]string{}
	for name := range header {
		single[name] = header.Get(name)
	}
	event, err := json.Marshal(map[string]any{
		"resource": "/{proxy+}", "path": path, "httpMethod": method,
		"headers": single, "multiValueHeaders": header,
		"pathParameters": map[string]string{"proxy": strings.TrimPrefix(path, "/")},
		"requestContext": map[string]any{"stage": "v1", "path": "/v1" + path},
		"body":           string(body), "isBase64Encoded": false,
	})
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// TestRealForm is the main job: a photographed form of megabytes goes through
// the built function and arrives upstream byte for byte, with the Bearer, be the
// event in one chunk or in many.
func TestRealForm(t *testing.T) {
	for name, chunks := range map[string]int{"one chunk": 0, "many chunks": 1000} {
		t.Run(name, func(t *testing.T) { realForm(t, chunks) })
	}
}

func realForm(t *testing.T, chunks int) {
	image, pattern := form(t)
	body, err := json.Marshal(map[string]any{
		"images":  []string{base64.StdEncoding.EncodeToString(image)},
		"omrFile": base64.StdEncoding.EncodeToString(pattern), "outputFormat": "CSV", "recognitionThreshold": 35,
	})
	if err != nil {
		t.Fatal(err)
	}
	f := start(t)
	f.api.ChunkSize = chunks
	f.sandbox.Aspose.Record(4)

	const submit = "/v5.0/omr/RecognizeTemplate/PostRecognizeTemplate"
	result := f.invoke(restEvent(t, http.MethodPost, submit, body))
	var answer struct {
		StatusCode      int
		Body            string
		IsBase64Encoded bool
	}
	if err := json.Unmarshal(result.Payload, &answer); err != nil || result.Failed {
		t.Fatalf("answer %s: %v", result.Payload, err)
	}
	if answer.StatusCode != http.StatusOK || len(answer.Body) != 36 || answer.IsBase64Encoded {
		t.Fatalf("answer %+v, want 200 with a GUID", answer)
	}

	requests := f.sandbox.Aspose.Requests()
	if len(requests) != 1 {
		t.Fatalf("%d calls upstream, want 1", len(requests))
	}
	arrived := requests[0]
	if arrived.Method != http.MethodPost || arrived.Target != submit {
		t.Errorf("arrived as %s %s", arrived.Method, arrived.Target)
	}
	if !bytes.Equal(arrived.Body, body) {
		t.Errorf("the body of %d bytes arrived changed, with %d", len(body), len(arrived.Body))
	}
	authorization := arrived.Header.Values("Authorization")
	bearer, ok := strings.CutPrefix(strings.Join(authorization, "|"), "Bearer ")
	if !ok || !f.sandbox.Token.Valid(bearer) {
		t.Error("the call did not carry the relay's own Bearer")
	}
	if strings.Contains(f.log.String(), bearer) || strings.Contains(f.log.String(), sandbox.DefaultClientSecret) {
		t.Error("the log shows a secret")
	}
	t.Logf("a body of %d bytes arrived byte for byte", len(body))

	// The result, as a client would poll for it.
	for _, want := range []string{"NotReady", "Ok"} {
		event := restEvent(t, http.MethodGet, "/v5.0/omr/RecognizeTemplate/GetRecognizeTemplate", nil)
		event = bytes.Replace(event, []byte(`"httpMethod"`), []byte(`"queryStringParameters":{"id":"`+answer.Body+`"},"httpMethod"`), 1)
		if got := f.invoke(event).Payload; !bytes.Contains(got, []byte(`\"responseStatusCode\":\"`+want+`\"`)) {
			t.Errorf("result %s, want %s", got, want)
		}
	}
	if mints := f.sandbox.Token.Mints(); mints != 1 {
		t.Errorf("%d tokens minted for 3 calls, want 1", mints)
	}
}

// noise is a JPEG by its beginning.
func noise(size int) []byte {
	scan := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(scan)
	copy(scan, "\xff\xd8\xff\xe0\x00\x10JFIF\x00")
	return scan
}
