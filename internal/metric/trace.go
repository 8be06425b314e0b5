package metric

import (
	"context"
	"strings"
)

// traceRoot returns the root of the X-Ray trace that the invocation belongs to, empty
// if there is none: Lambda's runtime clients have the header in the context. Callers
// may set it, so what has another form is none.
func traceRoot(ctx context.Context) string {
	header, _ := ctx.Value("x-amzn-trace-id").(string)
	for part := range strings.SplitSeq(header, ";") {
		if root, ok := strings.CutPrefix(strings.TrimSpace(part), "Root="); ok {
			if len(root) == len("1-00000000-000000000000000000000000") && strings.HasPrefix(root, "1-") && root[10] == '-' && isHex(root[2:10]) && isHex(root[11:]) {
				return root
			}
			return ""
		}
	}
	return ""
}

// TraceID returns the trace id of a traceparent (https://www.w3.org/TR/trace-context/),
// empty if it is not valid.
func TraceID(traceparent string) string {
	const version0 = len("00-00000000000000000000000000000000-0000000000000000-00")
	p := traceparent
	if len(p) < version0 || p[2] != '-' || p[35] != '-' || p[52] != '-' {
		return ""
	}
	version, id, parent, flags := p[:2], p[3:35], p[36:52], p[53:version0]
	switch {
	case !isHex(version), !isHex(id), !isHex(parent), !isHex(flags):
	case version == "ff", strings.Trim(id, "0") == "", strings.Trim(parent, "0") == "":
	case len(p) > version0 && (version == "00" || p[version0] != '-'):
	default:
		return id
	}
	return ""
}

// isHex reports whether text is of the hexadecimal digits that both formats have.
func isHex(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
