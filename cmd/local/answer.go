package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// writeAnswer sends a proxy integration's response to the client as API
// Gateway would. An error means that the response was malformed and nothing
// has been sent.
func writeAnswer(w http.ResponseWriter, r *http.Request, response []byte) error {
	var answer events.APIGatewayProxyResponse
	if err := json.Unmarshal(response, &answer); err != nil {
		return fmt.Errorf("decoding the response: %w", err)
	}
	body := []byte(answer.Body)
	if answer.IsBase64Encoded && acceptsBinary(r) {
		decoded, err := base64.StdEncoding.DecodeString(answer.Body)
		if err != nil {
			return fmt.Errorf("decoding the body: %w", err)
		}
		body = decoded
	}
	if err := sendHead(w, r, answer); err != nil {
		return err
	}
	// The only errors left are the client's going away and a status that
	// takes no body; neither can be reported to anybody.
	_, _ = w.Write(body)
	return nil
}

// acceptsBinary tells whether the deployed API would hand binary on as it is: it
// does to requests whose first Accept is one of the template's binary types, and
// hands the base64 to others.
func acceptsBinary(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("Accept"), ",")
	return binaryType(first)
}

// writeHead sends the status and headers of a streamed answer and returns what
// sends its body, each Write at once, until the given time.
func writeHead(w http.ResponseWriter, r *http.Request, head events.APIGatewayProxyResponse, until time.Time) (io.Writer, error) {
	if err := sendHead(w, r, head); err != nil {
		return nil, err
	}
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(until) // a recorder has none
	return flushing{w, control}, nil
}

func sendHead(w http.ResponseWriter, r *http.Request, answer events.APIGatewayProxyResponse) error {
	if answer.StatusCode < 200 || answer.StatusCode > 599 {
		return fmt.Errorf("status code %d is not one", answer.StatusCode)
	}
	headers := w.Header()
	for name, value := range answer.Headers {
		headers.Set(remapped(name), value)
	}
	for name, values := range answer.MultiValueHeaders {
		// A name in both forms has the values of this one alone.
		headers[http.CanonicalHeaderKey(remapped(name))] = values
	}
	if r.Method != http.MethodHead {
		headers.Del("Content-Length") // the server knows better
	}
	if headers.Get("Content-Type") == "" {
		headers.Set("Content-Type", "application/json")
	}
	w.WriteHeader(answer.StatusCode)
	return nil
}

// remapped is the name under which a REST API passes an integration's header on:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
func remapped(name string) string {
	if strings.EqualFold(name, "WWW-Authenticate") {
		return "X-Amzn-Remapped-Www-Authenticate"
	}
	return name
}

// flushing sends each Write at once. A client that has gone disturbs nothing,
// for the function goes on in Lambda too; one that does not read ends the
// invocation when its time is up.
type flushing struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (f flushing) Write(p []byte) (int, error) {
	_, err := f.w.Write(p)
	if err == nil {
		err = f.control.Flush()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, err
	}
	return len(p), nil
}

// ownAnswer is an answer that API Gateway makes itself, as template.yaml has it.
type ownAnswer struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Detail   string `json:"detail"`
	Instance string `json:"instance"`
	Code     string `json:"code"`
}

// refuse sends an answer that API Gateway makes itself. code is the type of its
// gateway response:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
func refuse(w http.ResponseWriter, status int, code, message string) {
	title := "API Gateway's answer"
	if status == http.StatusUnauthorized {
		title = message
	}
	text, _ := json.Marshal(ownAnswer{"urn:omr-relay:problem:gateway", title, message, newUUID(), code}) // texts
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
