package handler

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"omr-relay/handler/gateway"
	"omr-relay/internal/problem"
)

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
	return gateway.PercentEncode(path, func(b byte) bool {
		return b <= ' ' || b >= 0x7f || strings.IndexByte("\"#<>?\\^`{}", b) >= 0
	})
}

// percentAlone reports whether a percent sign stands without its two digits.
func percentAlone(path string) bool {
	return strings.Count(path, "%") != len(percentEncoded.FindAllString(path, -1))
}

func unescaped(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}
