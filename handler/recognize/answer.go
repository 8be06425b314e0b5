package recognize

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	"omr-relay/handler/gateway"
)

// statusHeader has the upstream's own word for what became of a task.
const statusHeader = "Omr-Status"

// bytesAnswer has the caller's data in it: nobody on the way may keep it.
func bytesAnswer(status int, contentType string, body []byte) *gateway.Answer {
	header := http.Header{"Cache-Control": {"no-store"}}
	if contentType != "" {
		header.Set("Content-Type", contentType)
	}
	return &gateway.Answer{Status: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Length: int64(len(body))}
}

func jsonAnswer(status int, v any) *gateway.Answer {
	body, _ := json.Marshal(v) // plain values, and JSON that was checked
	return bytesAnswer(status, "application/json", append(body, '\n'))
}

func empty() *gateway.Answer {
	return &gateway.Answer{Status: http.StatusNoContent, Header: http.Header{"Cache-Control": {"no-store"}}, Body: http.NoBody}
}

// mediaTypes are those of results.
var mediaTypes = map[string]string{
	"Csv": "text/csv", "Json": "application/json", "Xml": "application/xml", "Txt": "text/plain",
	"Png": "image/png", "Jpg": "image/jpeg", "Pdf": "application/pdf",
}
