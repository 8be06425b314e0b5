package batch

import (
	"strings"

	"omr-relay/internal/omr"
	"omr-relay/internal/recognition"
)

// again are the statuses that another batch can do something about.
var again = map[string]string{
	recognition.SubmissionUnknown: "it was sent, and may have been received and paid for; another batch sends it again if it is told to resubmit",
	string(omr.TaskNotFound):      "Aspose has lost the result, which it keeps for 24 hours; another batch sends the sheet again, and pays again, if it is told to resubmit",
	string(omr.ResultDataLost):    "Aspose has lost the result, which it keeps for 24 hours; another batch sends the sheet again, and pays again, if it is told to resubmit",
	recognition.NotFetched:        "its result could not be fetched; another batch of the same scans asks again",
	recognition.NotReady:          "its result was not there after 24 hours; another batch of the same scans asks again",
	recognition.Refused:           "not taken, and not paid for; another batch of the same scans tries again",
}

// reason says why a person must look at the sheet, or nothing if none must.
func reason(o recognition.Outcome) string {
	text, ok := again[o.Status]
	if !ok {
		return o.Reason()
	}
	if len(o.Messages) > 0 {
		text += ": " + strings.Join(o.Messages, "; ")
	}
	return text
}

// The statuses of rows that have no result.
const (
	unreadable    = "unreadable"
	notRecognized = "not_recognized"
	duplicate     = "duplicate"
)
