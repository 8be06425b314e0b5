package recognize

import (
	"bufio"
	"bytes"
	"errors"
	"mime"
	"net/textproto"
	"strings"
)

// part is a field of a form, or a file.
type part struct {
	name     string
	filename string // without directories; empty for a field
	data     []byte // lies in the body
}

// The most that a body may have. A request of MaxImages has some fields more.
const (
	maxParts      = 200
	maxPartHeader = 8 << 10
)

var errNotMultipart = errors.New("not well-formed multipart")

// splitMultipart finds the parts of a multipart/form-data body (RFC 7578) in
// place: mime/multipart copies them, and a scan is most of what the function has
// memory for.
func splitMultipart(body []byte, boundary string) ([]part, error) {
	delimiter := []byte("\r\n--" + boundary)
	if boundary == "" {
		return nil, errNotMultipart
	}
	// Before the first delimiter there need be no line.
	at := 0
	if !bytes.HasPrefix(body, delimiter[2:]) || after(body[len(delimiter)-2:]) == none {
		if at = find(body, delimiter); at < 0 {
			return nil, errNotMultipart
		}
		at += 2
	}
	rest := body[at+len(delimiter)-2:]
	var parts []part
	for after(rest) != last {
		line := bytes.IndexByte(rest, '\n')
		// Spaces and tabs are padding (RFC 2046 §5.1.1). Lines that end in LF alone, here and
		// in a header, are refused: others read other parts from them.
		if line < 0 || string(bytes.TrimLeft(rest[:line], " \t")) != "\r" || len(parts) == maxParts {
			return nil, errNotMultipart
		}
		rest = rest[line+1:]
		// A part without a header begins with the empty line.
		head, headEnd := []byte("\r\n"), 2
		if !bytes.HasPrefix(rest, head) {
			headEnd = bytes.Index(rest[:min(len(rest), maxPartHeader)], []byte("\r\n\r\n")) + 4
			if headEnd < 4 {
				return nil, errNotMultipart
			}
			head = rest[:headEnd]
			if bytes.Count(head, []byte("\n")) > bytes.Count(head, []byte("\r\n")) {
				return nil, errNotMultipart
			}
		}
		// Of a part that is empty, the line's end may be the delimiter's too.
		end := find(rest[headEnd-2:], delimiter)
		if end < 0 {
			return nil, errNotMultipart
		}
		end += headEnd - 2
		p, err := newPart(head, rest[headEnd:max(end, headEnd)])
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
		rest = rest[end+len(delimiter):]
	}
	return parts, nil
}

// What may come after a delimiter.
const (
	none = iota // it was none
	next        // a part
	last        // nothing
)

func after(rest []byte) int {
	switch {
	case bytes.HasPrefix(rest, []byte("--")):
		return last
	case len(rest) > 0 && strings.IndexByte(" \t\r\n", rest[0]) >= 0:
		return next
	default:
		return none
	}
}

// find returns where the next delimiter begins, or -1.
func find(body, delimiter []byte) int {
	for from := 0; ; {
		at := bytes.Index(body[from:], delimiter)
		if at < 0 {
			return -1
		}
		from += at
		if after(body[from+len(delimiter):]) != none {
			return from
		}
		from++
	}
}

func newPart(head, data []byte) (part, error) {
	header, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(head))).ReadMIMEHeader()
	if err != nil {
		return part{}, errNotMultipart
	}
	disposition, params, err := mime.ParseMediaType(header.Get("Content-Disposition"))
	if err != nil || disposition != "form-data" {
		return part{}, errNotMultipart
	}
	switch strings.ToLower(header.Get("Content-Transfer-Encoding")) {
	case "", "7bit", "8bit", "binary":
	default:
		return part{}, errNotMultipart // deprecated since RFC 7578, and nobody sends it
	}
	name := params["filename"]
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	// As browsers and curl write it, who leave a percent sign as it is:
	// https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
	name = strings.ReplaceAll(name, "%22", `"`)
	// One in another encoding must not make a table of bytes, which a REST API
	// hands on in base64.
	name = strings.ToValidUTF8(name, "\ufffd")
	return part{name: params["name"], filename: name, data: data}, nil
}
