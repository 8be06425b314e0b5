package sandbox

import (
	"encoding/xml"
	"net/http"

	"github.com/johannesboyne/gofakes3"
)

// maxDeleted is how many objects one request may name.
const maxDeleted = 1000

// deletion is the body of a DeleteObjects. What else S3 would take of it is refused.
type deletion struct {
	XMLName xml.Name `xml:"Delete"`
	Quiet   bool
	Object  []struct {
		Key  string
		More []unknownElement `xml:",any"`
	}
	More []unknownElement `xml:",any"`
}

type unknownElement struct{ XMLName xml.Name }

// deleteObjects deletes the objects that the body names. What is not there is deleted.
func (s *S3) deleteObjects(w http.ResponseWriter, r *http.Request, body []byte) *s3Fault {
	if !r.URL.Query().Has("delete") {
		return notImplemented(r.Method)
	}
	if r.Header.Get("Content-Md5") == "" && r.Header.Get("X-Amz-Checksum-Crc32") == "" {
		return &s3Fault{
			status: http.StatusBadRequest, code: "InvalidRequest",
			message: "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
		}
	}
	if fault := checkDigests(r.Header, body); fault != nil {
		return fault
	}
	var asked deletion
	if err := xml.Unmarshal(body, &asked); err != nil || len(asked.Object) == 0 || len(asked.Object) > maxDeleted {
		return s3FaultOf(gofakes3.ErrMalformedXML)
	}
	var keys []string
	for _, o := range asked.Object {
		if len(o.More) > 0 {
			return notImplemented(o.More[0].XMLName.Local)
		}
		if o.Key == "" {
			return s3FaultOf(gofakes3.ErrMalformedXML)
		}
		keys = append(keys, o.Key)
	}
	if len(asked.More) > 0 {
		return notImplemented(asked.More[0].XMLName.Local)
	}
	for _, key := range keys {
		s.RemoveObject(key)
	}
	if asked.Quiet {
		keys = nil
	}
	type deleted struct{ Key string }
	answer := struct {
		XMLName xml.Name  `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
		Deleted []deleted `xml:"Deleted"`
	}{}
	for _, key := range keys {
		answer.Deleted = append(answer.Deleted, deleted{key})
	}
	writeXML(w, http.StatusOK, answer)
	return nil
}
