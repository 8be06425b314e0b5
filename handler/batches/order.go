package batches

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"omr-relay/handler/gateway"
	"omr-relay/handler/input"
	"omr-relay/internal/batch/layout"
	"omr-relay/internal/document"
	"omr-relay/internal/jsonscan"
	"omr-relay/internal/problem"
)

// order is a request for a batch.
type order struct {
	layout.Order

	pattern   []byte // lies in the request's body
	seen      map[string]bool
	maxSheets int
}

// The names of its fields, as problems give them.
const (
	fieldPattern   = "pattern"
	fieldUploads   = "uploads"
	fieldPrefix    = "prefix"
	fieldThreshold = "recognitionThreshold"
	fieldFormat    = "format"
	fieldName      = "name"
)

// fieldOf is the name by which a field is known here, in whatever case and by
// whichever of its names it came.
func fieldOf(name string) string {
	switch strings.ToLower(name) {
	case "pattern", "omrfile":
		return fieldPattern
	case "uploads":
		return fieldUploads
	case "prefix":
		return fieldPrefix
	case "recognitionthreshold":
		return fieldThreshold
	case "format", "outputformat":
		return fieldFormat
	case "name":
		return fieldName
	default:
		return ""
	}
}

// readOrder reads a request, in place, and checks all that can be checked at once.
func readOrder(req *gateway.Request, maxSheets int) (*order, error) {
	mediaType, _, err := input.ContentOf(req)
	switch {
	case err != nil:
		return nil, err
	case mediaType != "application/json" && mediaType != "text/json":
		return nil, &problem.Error{Code: problem.UnsupportedMediaType,
			Detail: "Send JSON: the pattern in base64, and the uploads or the prefix of the scans."}
	case req.Query != "":
		return nil, &problem.Error{Code: problem.InvalidInput, Detail: "POST /batches takes no query: its options are members of the JSON."}
	}
	o := &order{seen: map[string]bool{}, maxSheets: maxSheets}
	err = input.JSONProblem(jsonscan.Object(req.Body.B, func(name string, value []byte) error {
		if string(value) == "null" {
			return nil
		}
		field := fieldOf(name)
		if field != "" && o.seen[field] {
			return input.Err(field, "there is more than one")
		}
		o.seen[field] = true
		return o.take(field, value)
	}))
	if err == nil {
		err = o.check()
	}
	if err != nil {
		return nil, err
	}
	o.Resubmit = input.Prefers(req.Header, "resubmit")
	o.Request = o.fingerprint()
	return o, nil
}

func (o *order) take(field string, value []byte) (err error) {
	switch field {
	case fieldPattern:
		o.pattern, err = input.Decode(fieldPattern, value)
	case fieldUploads:
		err = o.takeUploads(value)
	case fieldPrefix:
		if o.Folder, err = text(fieldPrefix, value); err == nil && !layout.ValidFolder(o.Folder) {
			err = input.Err(fieldPrefix, "it must be that of uploads, end in a slash, begin with none, and have no dot segments")
		}
	case fieldThreshold:
		n, notNumber := strconv.Atoi(string(value))
		if notNumber != nil || n < 0 || n > 100 {
			return input.Err(fieldThreshold, "it must be a whole number from 0 to 100, or be left out")
		}
		o.Threshold = &n
	case fieldFormat:
		if format, _ := jsonscan.Unquote(value); !strings.EqualFold(string(format), "CSV") {
			return input.Err(fieldFormat, "it must be CSV: a batch's tables are %s", strings.Join(layout.Tables, ", "))
		}
	case fieldName:
		if o.Name, err = text(fieldName, value); err == nil && utf8.RuneCountInString(o.Name) > maxName {
			err = input.Err(fieldName, "it must have %d characters at most", maxName)
		}
	default:
		err = &problem.Error{Code: problem.InvalidInput,
			Detail: "There is a field that is none of pattern, uploads, prefix, recognitionThreshold, format and name."}
	}
	return err
}

// maxName is what most file systems allow of a name.
const maxName = 255

// text takes what may stand in a table, and in a listing of the bucket.
func text(field string, value []byte) (string, error) {
	b, err := jsonscan.Unquote(value)
	if err != nil || len(b) == 0 || !utf8.Valid(b) {
		return "", input.Err(field, "it must be a text that is not empty")
	}
	s := string(b)
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) }) {
		return "", input.Err(field, "it has control characters")
	}
	return s, nil
}

// takeUploads takes a list of ids, or of objects with the id and a name.
func (o *order) takeUploads(value []byte) error {
	if value[0] != '[' {
		return input.Err(fieldUploads, "it must be a list")
	}
	o.Uploads = []layout.OrderedUpload{}
	return jsonscan.Array(value, func(element []byte) error {
		number := len(o.Uploads) + 1
		if number > o.maxSheets {
			return input.Err(fieldUploads, "there are more than %d, which is the most that a batch may have", o.maxSheets)
		}
		var u layout.OrderedUpload
		var err error
		if element[0] == '{' {
			u, err = reference(number, element)
		} else {
			u.Upload, err = uploadID(number, element)
		}
		o.Uploads = append(o.Uploads, u)
		return err
	})
}

// reference takes {"upload":"…","name":"…"}.
func reference(number int, object []byte) (u layout.OrderedUpload, err error) {
	err = jsonscan.Object(object, func(name string, value []byte) (err error) {
		switch strings.ToLower(name) {
		case "upload":
			u.Upload, err = uploadID(number, value)
			return err
		case "name":
			if string(value) == "null" {
				return nil
			}
			if u.Name, err = text(fieldUploads, value); err != nil || utf8.RuneCountInString(u.Name) > maxName {
				return input.Err(fieldUploads, "the name of number %d must be a text of %d characters at most, without control characters", number, maxName)
			}
			return nil
		default:
			return input.Err(fieldUploads, `number %d has a member that is none of "upload" and "name"`, number)
		}
	})
	if err == nil && u.Upload == "" {
		err = input.Err(fieldUploads, `number %d has no "upload"`, number)
	}
	return u, err
}

func uploadID(number int, value []byte) (string, error) {
	id, ok := jsonscan.Inner(value)
	if !ok || !layout.ValidID(string(id)) {
		return "", input.Err(fieldUploads, "number %d must be the id that POST /uploads gave", number)
	}
	return string(id), nil
}

// check judges the whole.
func (o *order) check() error {
	switch {
	case !o.seen[fieldPattern]:
		return input.Err(fieldPattern, "there is none")
	case !document.IsPattern(o.pattern):
		return input.Err(fieldPattern, "it is not a recognition pattern, which is the .omr file that was generated with the form")
	case o.seen[fieldUploads] == o.seen[fieldPrefix]:
		return input.Err(fieldUploads, "there must be these, or a prefix, and not both")
	case o.seen[fieldUploads] && len(o.Uploads) == 0:
		return input.Err(fieldUploads, "there are none")
	}
	return nil
}

// fingerprint is of what is asked for, and not of its bytes.
func (o *order) fingerprint() string {
	all := sha256.New()
	pattern := sha256.Sum256(o.pattern)
	_, _ = all.Write(pattern[:])              // a hash takes everything
	_ = json.NewEncoder(all).Encode(&o.Order) // and plain values always marshal
	return hex.EncodeToString(all.Sum(nil))
}
