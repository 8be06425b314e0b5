package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"omr-relay/handler"
)

// maxEventFile bounds what is read as an event. It is more than Lambda takes,
// and enough for the largest request that API Gateway takes, in base64.
const maxEventFile = 16 << 20

// invoke sends the event in the named file through the relay and prints the
// response, as the handler returned it, or the error as Lambda reports it.
func invoke(ctx context.Context, c console, name string) error {
	event, err := readEvent(c.stdin, name)
	if err != nil {
		return err
	}
	fn, err := assemble(ctx, c)
	if err != nil {
		return err
	}
	defer fn.close()

	response, failure := fn.invoke(ctx, event)
	if failure != nil {
		if response, err = json.Marshal(functionError(failure)); err != nil {
			return fmt.Errorf("encoding the error: %w", err)
		}
	}
	if _, err := fmt.Fprintf(c.stdout, "%s\n", response); err != nil {
		return fmt.Errorf("printing the response: %w", err)
	}
	if failure != nil || ownFailure(response) {
		return errSaid // the answer on stdout says it all
	}
	return nil
}

// ownFailure reports whether the response is a 5xx of the relay's own, and not one
// that the upstream answered.
func ownFailure(response []byte) bool {
	var answer struct {
		StatusCode int
		Body       string
	}
	var document struct{ Type string }
	return json.Unmarshal(response, &answer) == nil && answer.StatusCode >= 500 &&
		json.Unmarshal([]byte(answer.Body), &document) == nil && strings.HasPrefix(document.Type, handler.ProblemType)
}

// readEvent reads the named file, or stdin for "-".
func readEvent(stdin io.Reader, name string) ([]byte, error) {
	from := stdin
	if name != "-" {
		file, err := os.Open(name) //nolint:gosec // the user names a file of their own
		if err != nil {
			return nil, &usageError{"reading the event: " + err.Error()}
		}
		defer func() { _ = file.Close() }() // it was only read
		from = file
	}
	event, err := io.ReadAll(io.LimitReader(from, maxEventFile+1))
	if err != nil {
		return nil, &usageError{"reading the event: " + err.Error()}
	}
	if len(event) > maxEventFile {
		return nil, &usageError{"reading the event: more than " + size(maxEventFile)}
	}
	return event, nil
}

// lambdaError is the payload of an invocation that ended in an error.
type lambdaError struct {
	Message string `json:"errorMessage"`
	Type    string `json:"errorType"`
}

// functionError names the error's type as the Go runtime for Lambda does.
func functionError(err error) lambdaError {
	kind := reflect.TypeOf(err)
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	return lambdaError{Message: err.Error(), Type: kind.Name()}
}
