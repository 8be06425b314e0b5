package handler

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"omr-relay/internal/problem"
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
	filled := true
	meant := parameter.ReplaceAllStringFunc(resource, func(name string) string {
		value, ok := params[strings.TrimSuffix(name[1:len(name)-1], "+")]
		filled = filled && ok
		return value
	})
	if !filled {
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

var parameter = regexp.MustCompile(`\{[^{}]+\}`)

func unescaped(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// target is a path that may be sent.
type target struct {
	line     string   // as it goes on the request line
	segments []string // decoded, one by one: an encoded slash does not split
}

// cleanPath judges a path. It refuses every path that two readers could read
// differently: what the relay has judged must be what the upstream serves.
// What it lets through goes on the request line byte for byte, except for
// bytes that cannot stand there, which are percent-encoded.
func cleanPath(path string) (target, error) {
	if path == "" {
		path = "/"
	}
	line := escapePath(path)
	plain, err := url.PathUnescape(line)
	if err != nil || path[0] != '/' {
		return target{}, errPath("It does not begin with a slash.")
	}
	switch {
	case !utf8.ValidString(plain):
		return target{}, errPath("It is not UTF-8.")
	case strings.ContainsFunc(plain, unicode.IsControl):
		return target{}, errPath("It has control characters.")
	case strings.Contains(plain, `\`):
		return target{}, errPath("It has a backslash.")
	case strings.Contains(plain, "//"):
		return target{}, errPath("It has an empty segment.")
	case percentEncoded.MatchString(plain):
		return target{}, errPath("It is percent-encoded twice.")
	}
	for segment := range strings.SplitSeq(plain, "/") {
		// Some servers cut a segment at a semicolon and drop spaces and dots
		// at its end before they look for dot segments.
		name, _, _ := strings.Cut(segment, ";")
		if segment != "" && strings.Trim(name, ". ") == "" {
			return target{}, errPath("It has a dot segment.")
		}
	}
	t := target{line: line}
	for segment := range strings.SplitSeq(line[1:], "/") {
		t.segments = append(t.segments, unescaped(segment))
	}
	return t, nil
}

var percentEncoded = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

func errPath(why string) error {
	return &problem.Error{Code: problem.BadRequest, Detail: "The path is refused. " + why}
}

// escapePath percent-encodes the bytes that cannot stand in the path of a
// request line: some events carry the path decoded.
func escapePath(path string) string {
	if percentAlone(path) {
		var out strings.Builder
		for i := range len(path) {
			out.WriteByte(path[i])
			if path[i] == '%' && !percentEncoded.MatchString(path[i:min(i+3, len(path))]) {
				out.WriteString("25")
			}
		}
		path = out.String()
	}
	return escape(path, func(b byte) bool {
		return b <= ' ' || b >= 0x7f || strings.IndexByte("\"#<>?\\^`{}", b) >= 0
	})
}

// percentAlone reports whether a percent sign stands without its two digits.
func percentAlone(path string) bool {
	return strings.Count(path, "%") != len(percentEncoded.FindAllString(path, -1))
}
