package lambdaruntime

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
)

// failure is an error as Lambda takes it, and frame a line of its stack, both
// spelled as in aws-lambda-go's messages.
type (
	failure struct {
		Message    string  `json:"errorMessage"`
		Type       string  `json:"errorType"`
		StackTrace []frame `json:"stackTrace,omitempty"`
	}
	frame struct {
		Path  string `json:"path"`
		Line  int    `json:"line"`
		Label string `json:"label"`
	}
)

// panicError is a panic of the handler's.
type panicError struct {
	kind  string // of the panic's value, which may hold anything and is not told
	stack []frame
}

func (p *panicError) Error() string {
	if len(p.stack) == 0 {
		return "the handler panicked"
	}
	return fmt.Sprintf("the handler panicked at %s:%d", p.stack[0].Path, p.stack[0].Line)
}

// panicked makes an error of what the function that calls it recovered.
func panicked(cause any) error {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	p := &panicError{kind: typeName(cause)}
	for inPanic := false; ; {
		at, more := frames.Next()
		switch {
		case at.Function == "runtime.gopanic":
			inPanic = true
		case inPanic && (len(p.stack) > 0 || !strings.HasPrefix(at.Function, "runtime.")):
			// Without its import path, which the file's name begins with.
			label := at.Function[strings.LastIndexByte(at.Function, '/')+1:]
			_, label, _ = strings.Cut(label, ".")
			p.stack = append(p.stack, frame{at.File, at.Line, label})
		}
		if !more {
			return p
		}
	}
}

// describe is what Lambda is told of an error.
func describe(err error) failure {
	if p, ok := errors.AsType[*panicError](err); ok {
		return failure{Message: p.Error(), Type: p.kind, StackTrace: p.stack}
	}
	return failure{Message: err.Error(), Type: errorType(err)}
}

// functionError is what Lambda shows of an error.
func functionError(err error) []byte {
	text, _ := json.Marshal(describe(err)) // strings and numbers
	return text
}

// errorType is the error's name for Lambda to show.
func errorType(err error) string {
	if p, ok := errors.AsType[*panicError](err); ok {
		return p.kind
	}
	return typeName(err)
}

func typeName(value any) string {
	kind := reflect.TypeOf(value)
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	return kind.Name()
}

// maxCause is what the API takes of a cause.
const maxCause = 1 << 20

// appendCause appends the header that has X-Ray show the error in its trace.
func appendCause(head []byte, err error) []byte {
	type exception struct {
		Type    string  `json:"type"`
		Message string  `json:"message"`
		Stack   []frame `json:"stack"`
	}
	e := describe(err)
	paths := []string{}
	for _, at := range e.StackTrace {
		if !slices.Contains(paths, at.Path) {
			paths = append(paths, at.Path)
		}
	}
	dir, _ := os.Getwd()
	cause, _ := json.Marshal(struct { // strings and numbers
		Dir        string      `json:"working_directory"`
		Exceptions []exception `json:"exceptions"`
		Paths      []string    `json:"paths"`
	}{dir, []exception{{e.Type, e.Message, append([]frame{}, e.StackTrace...)}}, paths})
	if len(cause) >= maxCause {
		return head
	}
	return fmt.Appendf(head, "Lambda-Runtime-Function-Xray-Error-Cause: %s\r\n", cause)
}
