package recognize

import (
	"io"
	"strconv"

	"omr-relay/handler/input"
	"omr-relay/internal/buffer"
	"omr-relay/internal/document"
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

// errPattern names both of the names that the pattern's field has.
func errPattern(what string) error {
	return &problem.Error{Code: problem.InvalidInput, Field: fieldPattern, Detail: fieldPattern + " (or pattern): " + what}
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
	return input.Err(fieldImage, "number %d is a %s of %s pages, and the upstream takes one: split it, or use the command `recognize`, which does", number, kind, pages)
}

func checkKind(number int, kind document.Kind) error {
	switch {
	case kind.Readable():
		return nil
	case kind == document.Empty:
		return input.Err(fieldImage, "number %d is empty", number)
	case kind == document.Damaged:
		return input.Err(fieldImage, "number %d was taken for text on its way: the API must have multipart/form-data among its binary media types", number)
	case kind == document.Unknown:
		return input.Err(fieldImage, "number %d is none of JPEG, PNG, GIF, TIFF, BMP and PDF", number)
	default:
		return input.Err(fieldImage, "number %d is %s, which the upstream does not read: save it as JPEG or PNG", number, kind)
	}
}
