package recognize

import (
	"net/http"
	"unicode/utf8"

	"omr-relay/handler/gateway"
	"omr-relay/internal/omr"
	"omr-relay/internal/problem"
)

// recognized answers with the result of one scan, as the upstream made it.
func recognized(r *omr.Result) (*gateway.Answer, error) {
	file, ok := resultFile(r)
	if !ok {
		return nil, errRecognition(r)
	}
	contentType := mediaTypes[file.Type]
	switch {
	case contentType == "":
		contentType = "application/octet-stream"
	case contentType[:5] == "text/" && utf8.Valid(file.Data):
		contentType += "; charset=utf-8"
	}
	answer := bytesAnswer(http.StatusOK, contentType, file.Data)
	answer.Header.Set(statusHeader, r.Status.Word())
	return answer, nil
}

// resultFile is the file that has the answers, where there are any.
func resultFile(r *omr.Result) (omr.File, bool) {
	if r.Status != omr.Ok && r.Status != omr.PartiallyNotFound || len(r.Files) == 0 {
		return omr.File{}, false
	}
	for _, file := range r.Files {
		switch file.Type {
		case "Csv", "Json", "Xml", "Txt":
			return file, true
		}
	}
	return r.Files[0], true
}

// errRecognition says what became of a scan that has no answers.
func errRecognition(r *omr.Result) error {
	e := errStatus(r)
	switch r.Status {
	case omr.ResultDataLost, omr.TaskNotFound:
	case omr.Error:
		e.Code, e.Detail = problem.RecognitionFailed, "The upstream could not recognize the scan. Sending it again would cost again."
	default:
		e.Code, e.Detail = problem.RecognitionEmpty,
			"The upstream found nothing on the scan: does the pattern belong to it, and are all its corner markers to be seen?"
	}
	return e
}

// errStatus is what errors of both services have in common.
func errStatus(r *omr.Result) *problem.Error {
	e := &problem.Error{Messages: r.Messages, Header: http.Header{statusHeader: {r.Status.Word()}}}
	switch r.Status {
	case omr.ResultDataLost:
		e.Code, e.Detail = problem.ResultLost, "The upstream has lost the result of this task. Only submitting it again brings it back, and costs again."
	case omr.TaskNotFound:
		e.Code, e.Detail = problem.TaskNotFound, "The upstream does not know this task, or not any more. Results are kept for 24 hours."
	}
	return e
}

// generated answers with a form: its pages in their order, and the pattern by
// which filled copies of it are recognized.
func generated(r *omr.Result) (*gateway.Answer, error) {
	if r.Status != omr.Ok && r.Status != omr.PartiallyNotFound || len(r.Files) == 0 {
		e := errStatus(r)
		if e.Code == "" {
			e.Code, e.Detail = problem.GenerationFailed, "The upstream could not make a form of the markup. Sending it again would cost again."
		}
		return nil, e
	}
	archive, err := pack(r.Files)
	if err != nil {
		return nil, problem.From(err)
	}
	answer := bytesAnswer(http.StatusOK, zipType, archive)
	answer.Header.Set("Content-Disposition", `attachment; filename="form.zip"`)
	answer.Header.Set(statusHeader, r.Status.Word())
	return answer, nil
}
