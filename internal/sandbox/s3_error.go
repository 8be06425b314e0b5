package sandbox

import (
	"encoding/xml"
	"errors"
	"net/http"

	"github.com/johannesboyne/gofakes3"
)

// s3Fault is an error answer of S3. nil is none.
type s3Fault struct {
	status        int // HTTP
	code, message string
	details       []s3Detail
}

// s3Detail is an element that one kind of error has beside the usual ones.
type s3Detail struct {
	XMLName xml.Name
	Value   string `xml:",chardata"`
}

func (f *s3Fault) with(name, value string) *s3Fault {
	f.details = append(f.details, s3Detail{xml.Name{Local: name}, value})
	return f
}

func (f *s3Fault) write(w http.ResponseWriter) {
	writeXML(w, f.status, struct {
		XMLName   xml.Name `xml:"Error"`
		Code      string
		Message   string
		Details   []s3Detail
		RequestID string `xml:"RequestId"`
		HostID    string `xml:"HostId"`
	}{xml.Name{}, f.code, f.message, f.details, w.Header().Get("X-Amz-Request-Id"), "sandbox"})
}

func writeXML(w http.ResponseWriter, status int, v any) {
	body, err := xml.Marshal(v)
	if err != nil {
		panic(err) // the stand-in marshals only its own plain values
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = w.Write(append([]byte(xml.Header), body...)) // a client that left needs no answer
}

// s3FaultOf returns what S3 says to a code of gofakes3, which has no words for
// most of them and another status for some.
func s3FaultOf(code gofakes3.ErrorCode) *s3Fault {
	fault := func(status int, message string) *s3Fault {
		return &s3Fault{status: status, code: string(code), message: message}
	}
	switch code { //nolint:exhaustive // the rest cannot come of what it is asked
	case gofakes3.ErrNoSuchKey:
		return fault(http.StatusNotFound, "The specified key does not exist.")
	case gofakes3.ErrNoSuchBucket:
		return fault(http.StatusNotFound, "The specified bucket does not exist")
	case gofakes3.ErrInvalidRange:
		return fault(http.StatusRequestedRangeNotSatisfiable, "The requested range is not satisfiable")
	case gofakes3.ErrPreconditionFailed:
		return fault(http.StatusPreconditionFailed, "At least one of the pre-conditions you specified did not hold")
	case gofakes3.ErrIncompleteBody:
		return fault(http.StatusBadRequest, "You did not provide the number of bytes specified by the Content-Length HTTP header.")
	case gofakes3.ErrMalformedPOSTRequest:
		return fault(http.StatusBadRequest, "The body of your POST request is not well-formed multipart/form-data.")
	case gofakes3.ErrBadDigest:
		return fault(http.StatusBadRequest, "The Content-MD5 or checksum value that you specified did not match what the server received.")
	case gofakes3.ErrMalformedXML:
		return fault(http.StatusBadRequest, "The XML you provided was not well-formed or did not validate against our published schema")
	case gofakes3.ErrInvalidArgument:
		return fault(http.StatusBadRequest, "Invalid Argument")
	case gofakes3.ErrNotImplemented:
		return fault(http.StatusNotImplemented, "A header you provided implies functionality that is not implemented")
	}
	return &s3Fault{
		status: http.StatusInternalServerError, code: "InternalError",
		message: "We encountered an internal error. Please try again.",
	}
}

// notImplemented refuses a request for a part of it that S3 may know and the
// stand-in does not.
func notImplemented(what string) *s3Fault {
	return s3FaultOf(gofakes3.ErrNotImplemented).with("Header", what)
}

func accessDenied(message string) *s3Fault {
	return &s3Fault{status: http.StatusForbidden, code: "AccessDenied", message: message}
}

func entityTooLarge() *s3Fault {
	return &s3Fault{status: http.StatusBadRequest, code: "EntityTooLarge", message: "Your proposed upload exceeds the maximum allowed size"}
}

// bodyFault tells a body that is too large from one that was broken off.
func bodyFault(err error) *s3Fault {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return entityTooLarge()
	}
	return s3FaultOf(gofakes3.ErrIncompleteBody)
}
