package recognize

import (
	"slices"
	"strconv"
	"strings"

	"omr-relay/handler/gateway"
	"omr-relay/handler/input"
	"omr-relay/internal/document"
	"omr-relay/internal/jsonscan"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
)

// scans are what a recognition needs.
type scans struct {
	images    []file
	pattern   file
	format    omr.Format
	threshold *int

	uploads bool // whether there can be some
}

// readScans reads a request, in place, and checks all that can be checked before
// a call is paid for.
func readScans(req *gateway.Request, uploads bool) (*scans, error) {
	s := &scans{uploads: uploads}
	mediaType, params, err := input.ContentOf(req)
	if err != nil {
		return nil, err
	}
	if err := input.Query(req.Query, s.setOption); err != nil {
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
		s.format = acceptedFormat(req.Header, len(s.images))
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *scans) readForm(body []byte, boundary string) error {
	parts, err := splitMultipart(body, boundary)
	if err != nil {
		return input.ErrMalformed("multipart/form-data")
	}
	for _, p := range parts {
		switch fieldOf(p.name) {
		case fieldImage:
			s.images = append(s.images, file{name: p.filename, data: p.data})
		case fieldUpload:
			err = s.addUpload(strings.TrimSpace(string(p.data)))
		case fieldPattern:
			err = s.setPattern(p.data)
		default:
			err = s.setOption(p.name, string(p.data))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// setOption takes a field that is no file, and may stand in the query as well: the
// body's goes before it.
func (s *scans) setOption(name, value string) error {
	switch fieldOf(name) {
	case fieldFormat:
		return s.setFormat(value)
	case fieldThreshold:
		return s.setThreshold(strings.TrimSpace(value))
	case fieldUpload:
		if !s.uploads {
			return errNoBucket()
		}
		return errField()
	default:
		return errField()
	}
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

// addUpload takes the id of one. Whether there is such an upload is asked later.
func (s *scans) addUpload(id string) error {
	switch {
	case !s.uploads:
		return errNoBucket()
	case id == "" || len(id) > maxUploadID:
		return input.Err(fieldUpload, "it must be the id that POST /uploads gave")
	}
	s.images = append(s.images, file{upload: id})
	return nil
}

// maxUploadID is more than an id has.
const maxUploadID = 128

// errField refuses what would be ignored: a threshold that is misspelt would be
// paid for and not be kept.
func errField() error {
	return &problem.Error{Code: problem.InvalidInput,
		Detail: "There is a field that is none of image, upload, omrFile (or pattern), outputFormat (or format) and recognitionThreshold."}
}

func errNoBucket() error { return input.Err(fieldUpload, "there is no bucket here to upload to") }

func (s *scans) setPattern(data []byte) error {
	if s.pattern.data != nil {
		return errPattern("there is more than one")
	}
	s.pattern.data = slices.Clip(data)
	return nil
}

func (s *scans) setFormat(text string) error {
	switch f := omr.Format(strings.ToUpper(strings.TrimSpace(text))); f {
	case omr.CSV, omr.JSON, omr.XML:
		s.format = f
		return nil
	default:
		return input.Err(fieldFormat, "it must be CSV, JSON or XML")
	}
}

func (s *scans) setThreshold(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 100 {
		return input.Err(fieldThreshold, "it must be a whole number from 0 to 100, or be left out")
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
		switch fieldOf(name) {
		case fieldImage:
			return s.readImages(value)
		case fieldPattern:
			data, err := input.Decode(fieldPattern, value)
			if err != nil {
				return err
			}
			return s.setPattern(data)
		case fieldFormat:
			text, err := jsonscan.Unquote(value)
			if err != nil {
				return input.Err(fieldFormat, "it must be a text")
			}
			return s.setFormat(string(text))
		case fieldThreshold:
			return s.setThreshold(string(value))
		default:
			return errField()
		}
	})
	return input.JSONProblem(err)
}

// readImages takes the upstream's list, or one image alone.
func (s *scans) readImages(value []byte) error {
	if value[0] != '[' {
		data, err := input.Decode(fieldImage, value)
		s.images = append(s.images, file{data: data})
		return err
	}
	return jsonscan.Array(value, func(element []byte) error {
		if element[0] == '{' {
			return s.readReference(element)
		}
		data, err := input.Decode(fieldImage, element)
		s.images = append(s.images, file{data: data})
		return err
	})
}

// readReference takes {"upload":"…"} in an image's place.
func (s *scans) readReference(object []byte) error {
	count := len(s.images)
	err := jsonscan.Object(object, func(name string, value []byte) error {
		if fieldOf(name) != fieldUpload {
			return input.Err(fieldImage, `an image that is an object has one member, "upload"`)
		}
		return s.readUpload(value)
	})
	if err == nil && len(s.images) != count+1 {
		err = input.Err(fieldImage, `an image that is an object has one member, "upload"`)
	}
	return err
}

func (s *scans) readUpload(value []byte) error {
	id, err := jsonscan.Unquote(value)
	if err != nil {
		return input.Err(fieldUpload, "it must be the id that POST /uploads gave")
	}
	return s.addUpload(string(id))
}

// check judges the whole, and gives nameless images their numbers.
func (s *scans) check() error {
	switch count := len(s.images); {
	case count == 0:
		return input.Err(fieldImage, "there is none")
	case count > MaxImages:
		return input.Err(fieldImage, "there are %d, and %d at most can be in one request", count, MaxImages)
	case count > 1 && s.format == omr.XML:
		return input.Err(fieldFormat, "several images make a table, CSV or JSON, and no XML")
	}
	for i := range s.images {
		if s.images[i].upload == "" {
			if err := checkImage(i+1, s.images[i].data); err != nil {
				return err
			}
		}
		if s.images[i].name == "" {
			s.images[i].name = strconv.Itoa(i + 1)
		}
	}
	switch {
	case s.pattern.data == nil:
		return errPattern("there is none")
	case document.Identify(s.pattern.data) == document.Empty:
		return errPattern("it is empty")
	case !document.IsPattern(s.pattern.data):
		return errPattern("it is not a recognition pattern, which is the .omr file that was generated with the form")
	}
	return nil
}
