package recognize

import (
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"strconv"
	"strings"

	"omr-relay/handler/gateway"
	"omr-relay/internal/buffer"
	"omr-relay/internal/document"
	"omr-relay/internal/jsonscan"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
)

// file is one of a request's, where it lies in the request's body.
type file struct {
	name string
	data []byte
}

// document is the file as it goes upstream. Its reader holds on to the body: a
// transport may read on after the request is done with.
func (f file) document(body *buffer.Buffer) omr.Document {
	return omr.Document{Size: int64(len(f.data)), Open: func() (io.ReadCloser, error) { return body.Section(f.data) }}
}

// scans are what a recognition needs.
type scans struct {
	images    []file
	pattern   file
	format    omr.Format
	threshold *int
}

// The names of the input's fields, as problems give them.
const (
	fieldImage     = "image"
	fieldPattern   = "omrFile"
	fieldFormat    = "outputFormat"
	fieldThreshold = "recognitionThreshold"
	fieldUpload    = "upload"
)

// readScans reads a request, in place, and checks all that can be checked before
// a call is paid for.
func readScans(req *gateway.Request) (*scans, error) {
	s := &scans{}
	mediaType, params, err := contentOf(req)
	if err != nil {
		return nil, err
	}
	switch mediaType {
	case "multipart/form-data":
		err = s.readForm(req.Body.B, params["boundary"])
	case "application/json", "text/json":
		err = s.readJSON(req.Body.B)
	default:
		return nil, &problem.Error{Code: problem.UnsupportedMediaType,
			Detail: "Send multipart/form-data (curl -F image=@scan.jpg -F pattern=@form.omr) or the upstream's JSON task."}
	}
	if err != nil {
		return nil, err
	}
	if s.format == "" {
		s.format = acceptedFormat(req.Header)
	}
	return s, s.check()
}

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
	mediaType, params, err = mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil {
		return "", nil, nil
	}
	return mediaType, params, nil
}

// errInput names the field at fault.
func errInput(field, format string, args ...any) error {
	return &problem.Error{Code: problem.InvalidInput, Field: field, Detail: field + ": " + fmt.Sprintf(format, args...)}
}

// errMalformed is for a body that is not what it is said to be.
func errMalformed(what string) error {
	return &problem.Error{Code: problem.BadRequest, Detail: "The body is not well-formed " + what + "."}
}

func (s *scans) readForm(body []byte, boundary string) error {
	parts, err := splitMultipart(body, boundary)
	if err != nil {
		return errMalformed("multipart/form-data")
	}
	for _, p := range parts {
		field := fieldOf(p.name)
		switch field {
		case fieldImage:
			s.images = append(s.images, file{p.filename, p.data})
		case fieldPattern:
			err = s.setPattern(p.data)
		case fieldFormat:
			err = s.setFormat(string(p.data))
		case fieldThreshold:
			err = s.setThreshold(strings.TrimSpace(string(p.data)))
		default:
			err = errField(field)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fieldOf is the name by which a field is known here, in whatever case and by
// whichever of its names it came.
func fieldOf(name string) string {
	switch strings.ToLower(name) {
	case "image", "images", "image[]", "images[]":
		return fieldImage
	case "omrfile", "pattern":
		return fieldPattern
	case "outputformat", "format":
		return fieldFormat
	case "recognitionthreshold":
		return fieldThreshold
	case "upload", "uploads":
		return fieldUpload
	default:
		return ""
	}
}

// errField refuses what would be ignored: a threshold that is misspelt would be
// paid for and not be kept.
func errField(field string) error {
	if field == fieldUpload {
		return errInput(fieldUpload, "there is no bucket here to upload to")
	}
	return &problem.Error{Code: problem.InvalidInput,
		Detail: "There is a field that is none of image, omrFile (or pattern), outputFormat (or format) and recognitionThreshold."}
}

func (s *scans) setPattern(data []byte) error {
	if s.pattern.data != nil {
		return errInput(fieldPattern, "there is more than one")
	}
	s.pattern.data = data[:len(data):len(data)]
	return nil
}

func (s *scans) setFormat(text string) error {
	switch f := omr.Format(strings.ToUpper(strings.TrimSpace(text))); f {
	case omr.CSV, omr.JSON, omr.XML:
		s.format = f
		return nil
	default:
		return errInput(fieldFormat, "it must be CSV, JSON or XML")
	}
}

func (s *scans) setThreshold(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 100 {
		return errInput(fieldThreshold, "it must be a whole number from 0 to 100, or be left out")
	}
	s.threshold = &n
	return nil
}

// readJSON reads the upstream's own task.
func (s *scans) readJSON(body []byte) error {
	err := jsonscan.Object(body, func(name string, value []byte) (err error) {
		if string(value) == "null" {
			return nil
		}
		switch field := fieldOf(name); field {
		case fieldImage:
			return s.readImages(value)
		case fieldPattern:
			data, err := decode(fieldPattern, value)
			if err != nil {
				return err
			}
			return s.setPattern(data)
		case fieldFormat:
			text, err := jsonscan.Unquote(value)
			if err != nil {
				return errInput(fieldFormat, "it must be a text")
			}
			return s.setFormat(string(text))
		case fieldThreshold:
			return s.setThreshold(string(value))
		default:
			return errField(field)
		}
	})
	return jsonProblem(err)
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

// readImages takes the upstream's list, or one image alone.
func (s *scans) readImages(value []byte) error {
	if value[0] != '[' {
		data, err := decode(fieldImage, value)
		s.images = append(s.images, file{data: data})
		return err
	}
	return jsonscan.Array(value, func(element []byte) error {
		if element[0] == '{' {
			return errField(fieldUpload)
		}
		data, err := decode(fieldImage, element)
		s.images = append(s.images, file{data: data})
		return err
	})
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

// check judges the whole, and gives nameless images their numbers.
func (s *scans) check() error {
	switch count := len(s.images); {
	case count == 0:
		return errInput(fieldImage, "there is none")
	case count > MaxImages:
		return errInput(fieldImage, "there are %d, and %d at most can be in one request", count, MaxImages)
	case count > 1 && s.format == omr.XML:
		return errInput(fieldFormat, "several images make a table, CSV or JSON, and no XML")
	}
	for i := range s.images {
		if err := checkImage(i+1, s.images[i].data); err != nil {
			return err
		}
		if s.images[i].name == "" {
			s.images[i].name = strconv.Itoa(i + 1)
		}
	}
	switch {
	case s.pattern.data == nil:
		return errInput(fieldPattern, "there is none")
	case document.Identify(s.pattern.data) == document.Empty:
		return errInput(fieldPattern, "it is empty")
	case !document.IsPattern(s.pattern.data):
		return errInput(fieldPattern, "it is not a recognition pattern, which is the .omr file that was generated with the form")
	}
	return nil
}

// checkImage refuses what the upstream would refuse, and charge for.
func checkImage(number int, data []byte) error {
	switch kind := document.Identify(data); {
	case kind.Readable():
		if pages := document.Pages(data, kind); pages > 1 {
			return errInput(fieldImage, "number %d is a %s of %d pages, and the upstream takes one: split it, or use the command `recognize`, which does", number, kind, pages)
		}
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
