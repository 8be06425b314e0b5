package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// call is an event, the relayed call that it must become, and the upstream's
// reply, which must come back.
type call struct {
	event          []byte
	method, target string
	body           []byte
	reply          reply
}

// guid is the upstream's reply to a submitted task.
var guid = newReply("text/plain; charset=utf-8", []byte("0d0d4f3e-7c1f-4a5e-9d0e-1f6a4f2f6f4b"))

const (
	submitPath  = "/v5.0/omr/RecognizeTemplate/PostRecognizeTemplate"
	resultPath  = "/v5.0/omr/GenerateTemplate/GetGenerateTemplate"
	storagePath = "/v3.0/omr/storage/file/forms/scan.jpg"
)

// submit is a recognition task with a photograph of that many bytes: a JSON
// body within a JSON event.
func submit(imageBytes, patternBytes int) func(fixture []byte) (call, error) {
	return func(fixture []byte) (call, error) {
		body, err := json.Marshal(map[string]any{
			"images":               []string{base64.StdEncoding.EncodeToString(noise(imageBytes))},
			"omrFile":              base64.StdEncoding.EncodeToString(noise(patternBytes)),
			"outputFormat":         "CSV",
			"recognitionThreshold": 35,
		})
		if err != nil {
			return call{}, err
		}
		c := call{method: http.MethodPost, target: submitPath, body: body, reply: guid}
		c.event, err = restEvent(fixture, c, "application/json", false)
		return c, err
	}
}

// upload is a file for the storage, which comes base64-encoded in its event.
func upload(size int) func(fixture []byte) (call, error) {
	return func(fixture []byte) (call, error) {
		c := call{method: http.MethodPut, target: storagePath, body: noise(size),
			reply: newReply("application/json; charset=utf-8", []byte(`{"uploaded":["scan.jpg"],"errors":[]}`))}
		var err error
		c.event, err = restEvent(fixture, c, "image/jpeg", true)
		return c, err
	}
}

// download is the result of a generated form of that many bytes.
func download(size int) func(fixture []byte) (call, error) {
	return func(fixture []byte) (call, error) {
		body, err := json.Marshal(map[string]any{
			"id": string(guid.body), "responseStatusCode": "Ok", "error": nil,
			"results": []map[string]string{{"type": "Png", "data": base64.StdEncoding.EncodeToString(noise(size))}},
		})
		if err != nil {
			return call{}, err
		}
		c := call{method: http.MethodGet, target: resultPath + "?id=" + string(guid.body), reply: newReply("application/json; charset=utf-8", body)}
		c.event, err = restEvent(fixture, c, "", false)
		return c, err
	}
}

// noise is size bytes that do not compress, the same ones every time.
func noise(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

// fixture is the REST event that the project's other events are like.
func fixture(root string) ([]byte, error) {
	return os.ReadFile(filepath.Join(root, "events", "recognize.json")) //nolint:gosec // a file of the repository
}

// restEvent makes the fixture the event of c.
func restEvent(fixture []byte, c call, contentType string, encoded bool) ([]byte, error) {
	var event map[string]any
	if err := json.Unmarshal(fixture, &event); err != nil {
		return nil, fmt.Errorf("reading the fixture: %w", err)
	}
	single, _ := event["headers"].(map[string]any)
	multi, _ := event["multiValueHeaders"].(map[string]any)
	context, _ := event["requestContext"].(map[string]any)
	if single == nil || multi == nil || context == nil {
		return nil, errors.New("the fixture is no REST event")
	}
	set := map[string]string{"Authorization": "Bearer of-the-caller", "Content-Type": contentType}
	for name, value := range set {
		delete(single, name)
		delete(multi, name)
		if value != "" {
			single[name], multi[name] = value, []string{value}
		}
	}
	path, query, _ := strings.Cut(c.target, "?")
	context["httpMethod"], context["path"] = c.method, "/prod"+path
	maps.Copy(event, map[string]any{
		"path": path, "httpMethod": c.method,
		"pathParameters": map[string]string{"proxy": path[1:]},
		"body":           string(c.body), "isBase64Encoded": encoded,
	})
	if name, value, ok := strings.Cut(query, "="); ok {
		event["queryStringParameters"] = map[string]string{name: value}
		event["multiValueQueryStringParameters"] = map[string][]string{name: {value}}
	}
	switch {
	case encoded:
		event["body"] = base64.StdEncoding.EncodeToString(c.body)
	case len(c.body) == 0:
		event["body"] = nil
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(event)
	return bytes.TrimSpace(out.Bytes()), err
}

// check reports in what the function's answer differs from the reply that the
// upstream gave.
func (c call) check(payload []byte) error {
	var answer struct {
		StatusCode      int    `json:"statusCode"`
		Body            string `json:"body"`
		IsBase64Encoded bool   `json:"isBase64Encoded"`
	}
	// A streamed answer has its body behind a delimiter, as it is.
	payload, streamed, isStreamed := bytes.Cut(payload, make([]byte, 8))
	if err := json.Unmarshal(payload, &answer); err != nil {
		return fmt.Errorf("the function's answer is not the JSON it should be: %w", err)
	}
	body := []byte(answer.Body)
	if answer.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(answer.Body); err != nil {
			return fmt.Errorf("the answer's body is not base64: %w", err)
		}
	}
	if isStreamed {
		body = streamed
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the function answered %d: %.300s", answer.StatusCode, body)
	}
	if !bytes.Equal(body, c.reply.body) {
		return fmt.Errorf("the reply did not come back as it was sent: %d bytes, want %d", len(body), len(c.reply.body))
	}
	return nil
}
