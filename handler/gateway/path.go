package gateway

import (
	"net/url"
	"strings"
)

// ownPath returns the part of path that is the relay's own. What stands before
// it (a custom domain's base path, a stage) is told by the resource that
// matched: the path that the caller meant is the resource with its parameters
// filled in. It is returned as path has it wherever path ends in it, since a
// parameter may come decoded.
func ownPath(path, resource string, params map[string]string) string {
	if !strings.HasPrefix(resource, "/") {
		return path
	}
	meant, ok := fill(resource, params)
	if !ok {
		return path
	}
	plain := unescaped(meant)
	for _, ending := range []string{plain, plain + "/"} {
		if tail := rawTail(path, ending); tail != "" {
			return tail
		}
	}
	return meant
}

// fill puts the parameters into a resource. ok is false if one is missing.
func fill(resource string, params map[string]string) (path string, ok bool) {
	before, rest, found := strings.Cut(resource, "{")
	if !found {
		return resource, true
	}
	name, rest, _ := strings.Cut(rest, "}")
	name, greedy := strings.CutSuffix(name, "+")
	value, ok := params[name]
	if !ok {
		return "", false
	}
	if greedy {
		// API Gateway's has no slash in front; SAM's event generator writes one.
		value = strings.TrimPrefix(value, "/")
	}
	after, ok := fill(rest, params)
	return before + value + after, ok
}

// rawTail returns the end of path that decodes to plain, or "" if path does not
// end so. It goes backwards, which percent-encoding allows: no other unit ends
// like one of its own.
func rawTail(path, plain string) string {
	i := len(path)
	for j := len(plain) - 1; j >= 0; j-- {
		unit := ""
		switch {
		case i >= 3 && path[i-3] == '%' && unescaped(path[i-3:i]) != path[i-3:i]:
			unit = path[i-3 : i]
		case i >= 1:
			unit = path[i-1 : i]
		}
		if unescaped(unit) != plain[j:j+1] {
			return ""
		}
		i -= len(unit)
	}
	return path[i:]
}

func unescaped(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// withoutStage takes off the name of a stage, which the path of an HTTP API's
// stage other than $default begins with.
func withoutStage(path, stage string) string {
	if stage == "" || stage == "$default" {
		return path
	}
	if rest, ok := strings.CutPrefix(path, "/"+stage); ok && (rest == "" || rest[0] == '/') {
		return rest
	}
	return path
}

// PercentEncode percent-encodes the bytes of s that unfit names.
func PercentEncode(s string, unfit func(byte) bool) string {
	const hex = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(s) {
		if b := s[i]; unfit(b) {
			out.Write([]byte{'%', hex[b>>4], hex[b&0xf]})
		} else {
			out.WriteByte(b)
		}
	}
	return out.String()
}
