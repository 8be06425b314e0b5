package recognize

import (
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net/url"
	"strconv"
	"strings"

	"omr-relay/handler/gateway"
	"omr-relay/internal/buffer"
	"omr-relay/internal/document"
	"omr-relay/internal/jsonscan"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
)

// file is one of a request's, where it lies in the request's body, or one that was
// uploaded before.
type file struct {
	name string
	data []byte

	upload string // its id, or empty
	found  Upload // once it has been looked for
}

// document is the file as it goes upstream. Its reader holds on to the body: a
// transport may read on after the request is done with.
func (f file) document(body *buffer.Buffer) omr.Document {
	if f.upload != "" {
		return omr.Document{Size: f.found.Size(), Open: f.found.Open}
	}
	return omr.Document{Size: int64(len(f.data)), Open: func() (io.ReadCloser, error) { return body.Section(f.data) }}
}

// The names of the input's fields, as problems give them.
const (
	fieldImage     = "image"
	fieldPattern   = "omrFile"
	fieldFormat    = "outputFormat"
	fieldThreshold = "recognitionThreshold"
	fieldUpload    = "upload"
)

// contentOf is the type of a request's body, if it can be read as it is.
func contentOf(req *gateway.Request) (mediaType string, params map[string]string, err error) {
	if req.Fault != nil {
		return "", nil, req.Fault
	}
	for _, coding := range req.Header.Values("Content-Encoding") {
		if c := strings.TrimSpace(coding); c != "" && !strings.EqualFold(c, "identity") {
			return "", nil, &problem.Error{Code: problem.UnsupportedMediaType,
				Detail: "The relay does not decode Content-Encoding: send the body as it is.", AcceptEncoding: "identity"}
		}
	}
	// What cannot be read is none of those that are known.
	mediaType, params, _ = mime.ParseMediaType(req.Header.Get("Content-Type"))
	return mediaType, params, nil
}

// readQuery has take what a query has, the last of each name. It is not passed
// over: whoever puts an option there believes it kept, and pays for the call.
func readQuery(query string, take func(name, value string) error) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return &problem.Error{Code: problem.BadRequest, Detail: "The query cannot be read."}
	}
	for name, all := range values {
		if err := take(name, all[len(all)-1]); err != nil {
			return err
		}
	}
	return nil
}

// errInput names the field at fault.
func errInput(field, format string, args ...any) error {
	return &problem.Error{Code: problem.InvalidInput, Field: field, Detail: field + ": " + fmt.Sprintf(format, args...)}
}

// errPattern names both of the names that the pattern's field has.
func errPattern(what string) error {
	return &problem.Error{Code: problem.InvalidInput, Field: fieldPattern, Detail: fieldPattern + " (or pattern): " + what}
}

// errMalformed is for a body that is not what it is said to be.
func errMalformed(what string) error {
	return &problem.Error{Code: problem.BadRequest, Detail: "The body is not well-formed " + what + "."}
}

// jsonProblem makes a problem of an error of package jsonscan.
func jsonProblem(err error) error {
	if err == nil {
		return nil
	}
	if e := problem.From(err); e.Code != problem.Internal {
		return e
	}
	return errMalformed("JSON")
}

// decode decodes a string of base64 where it lies: what comes of it is never
// longer. The string is gone then.
func decode(field string, raw []byte) ([]byte, error) {
	text, err := jsonscan.AppendUnquoted(raw[:0], raw)
	if err != nil {
		return nil, errInput(field, "it must be a text of base64")
	}
	n, err := base64.StdEncoding.Decode(text, text)
	if err != nil {
		return nil, errInput(field, "it is not base64")
	}
	return text[:n:n], nil
}

// checkImage refuses what the upstream would refuse, and charge for.
func checkImage(number int, data []byte) error {
	kind := document.Identify(data)
	if err := checkKind(number, kind); err != nil {
		return err
	}
	if pages := document.Pages(data, kind); pages > 1 {
		return errPages(number, kind, strconv.Itoa(pages))
	}
	return nil
}

func errPages(number int, kind document.Kind, pages string) error {
	return errInput(fieldImage, "number %d is a %s of %s pages, and the upstream takes one: split it, or use the command `recognize`, which does", number, kind, pages)
}

func checkKind(number int, kind document.Kind) error {
	switch {
	case kind.Readable():
		return nil
	case kind == document.Empty:
		return errInput(fieldImage, "number %d is empty", number)
	case kind == document.Damaged:
		return errInput(fieldImage, "number %d was taken for text on its way: the API must have multipart/form-data among its binary media types", number)
	case kind == document.Unknown:
		return errInput(fieldImage, "number %d is none of JPEG, PNG, GIF, TIFF, BMP and PDF", number)
	default:
		return errInput(fieldImage, "number %d is %s, which the upstream does not read: save it as JPEG or PNG", number, kind)
	}
}
