package problem

import (
	"fmt"
	"runtime"
	"strings"
)

// Panicked makes an Error of a recovered panic; call it from the function that
// recovered. The panic's value is not in it, for it may hold anything: where it
// happened is.
func Panicked(cause any) *Error {
	return &Error{Code: Internal, Reason: fmt.Sprintf("panic (%T) at %s", cause, panicSite())}
}

// panicSite names the function that panicked, and the line.
func panicSite() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	for inPanic := false; ; {
		frame, more := frames.Next()
		switch {
		case frame.Function == "runtime.gopanic":
			inPanic = true
		case inPanic && !strings.HasPrefix(frame.Function, "runtime."):
			return fmt.Sprintf("%s:%d", frame.Function, frame.Line)
		}
		if !more {
			return "unknown"
		}
	}
}
