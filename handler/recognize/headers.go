package recognize

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"omr-relay/internal/omr"
)

const zipType = "application/zip"

// mediaRanges returns those of Accept in their order, each with its weight.
func mediaRanges(h http.Header) (ranges []mediaRange) {
	for value := range strings.SplitSeq(strings.Join(h.Values("Accept"), ","), ",") {
		name, params, _ := strings.Cut(value, ";")
		r := mediaRange{name: strings.ToLower(strings.TrimSpace(name)), weight: 1}
		for param := range strings.SplitSeq(params, ";") {
			if key, q, _ := strings.Cut(param, "="); strings.EqualFold(strings.TrimSpace(key), "q") {
				r.weight, _ = strconv.ParseFloat(strings.TrimSpace(q), 64)
			}
		}
		if r.name != "" {
			ranges = append(ranges, r)
		}
	}
	return ranges
}

type mediaRange struct {
	name   string
	weight float64
}

// formatTypes are the media types of the formats, the preferred one first.
var formatTypes = []struct {
	format omr.Format
	types  []string
}{
	{omr.CSV, []string{"text/csv", "text/*", "*/*"}},
	{omr.JSON, []string{"application/json", "text/json", "application/*"}},
	{omr.XML, []string{"application/xml", "text/xml"}},
}

// acceptedFormat is the format that Accept would rather have; CSV if it names
// none. Of several images there is no XML: it is chosen where nothing else would
// do, to be refused.
func acceptedFormat(h http.Header, images int) omr.Format {
	best, weight := omr.CSV, 0.0
	ranges := mediaRanges(h)
	for _, candidate := range formatTypes {
		if candidate.format == omr.XML && images > 1 && weight > 0 {
			continue
		}
		for _, r := range ranges {
			if r.weight > weight && slices.Contains(candidate.types, r.name) {
				best, weight = candidate.format, r.weight
			}
		}
	}
	return best
}

// takesZIP reports whether the answer could be a ZIP: API Gateway hands bytes on
// only to a request whose first media range is one of its binary types.
func takesZIP(h http.Header) bool {
	first, _, _ := strings.Cut(h.Get("Accept"), ",")
	return strings.EqualFold(strings.TrimSpace(first), zipType)
}

// forwarded are the request's headers that go on with each call. The others
// speak of the request to the relay, or of a body that is made anew.
func forwarded(h http.Header) http.Header {
	named := strings.FieldsFunc(strings.ToLower(strings.Join(h.Values("Connection"), ",")), func(r rune) bool { return r == ',' || r == ' ' })
	out := http.Header{}
	for name, values := range h {
		goesOn := slices.Contains([]string{"Accept-Language", "User-Agent", "Traceparent", "Tracestate"}, name) || strings.HasPrefix(name, "X-Aspose-")
		if goesOn && !slices.Contains(named, strings.ToLower(name)) && plainName(name) && !slices.ContainsFunc(values, invalidValue) {
			out[name] = values
		}
	}
	return out
}

// plainName reports whether a header's name is letters, digits and hyphens.
func plainName(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// invalidValue reports whether value could not be a field value (RFC 9110 §5.5).
func invalidValue(value string) bool {
	return strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
