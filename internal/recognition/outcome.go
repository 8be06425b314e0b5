package recognition

import (
	"strings"

	"omr-relay/internal/journal"
	"omr-relay/internal/omr"
	"omr-relay/internal/table"
)

// The statuses of sheets that have no answer of the upstream's.
const (
	// SubmissionUnknown: the submission may have been received, and no task is
	// known.
	SubmissionUnknown = "submission_unknown"
	// Refused: the submission was refused, so nothing was paid.
	Refused = "upstream_refused"
	// NotReady: the result was not there after a long time.
	NotReady = "not_ready"
	// NotFetched: asking for the result failed.
	NotFetched = "not_fetched"
)

// Outcome is what became of a sheet.
type Outcome struct {
	// Status is the upstream's own word, or one of those above; empty means that
	// the run ended before.
	Status string
	// Answered: the journal has answers.
	Answered bool
	// Blank: and all of them are empty.
	Blank bool
	// Kept: an earlier run recorded it, and this one made no call.
	Kept bool
	// Messages say more. They are fit to be read, and may speak of the document.
	Messages []string
}

// OutcomeOf is the outcome of a task that has a result.
func OutcomeOf(r journal.Result, format omr.Format) Outcome {
	o := Outcome{Status: r.Status, Messages: r.Messages}
	switch {
	case len(r.Data) == 0:
	case !table.Readable(r.Data, format):
		o.Status = table.Unreadable
	default:
		o.Answered, o.Blank = true, table.Blank(r.Data, format)
	}
	return o
}

// lost reports whether only another submission would bring answers.
func lost(o Outcome) bool { return lostStatus(omr.Status(o.Status)) }

func lostStatus(s omr.Status) bool { return s == omr.TaskNotFound || s == omr.ResultDataLost }

// Reason says why a person must look at the sheet, or nothing if none must.
func (o Outcome) Reason() string {
	reason := ""
	switch o.Status {
	case string(omr.Ok):
		switch {
		case o.Blank:
			reason = "no answers on it: is it the right side, and are the marks dark enough?"
		case !o.Answered:
			reason = "Aspose has no answers for it"
		}
		return reason
	case string(omr.PartiallyNotFound):
		if o.Answered {
			reason = "part of the form was not found: compare the answers with the sheet"
			break
		}
		fallthrough
	case string(omr.NoAnyResultData):
		reason = "nothing found on it: does the pattern belong to it, and are all its corner markers to be seen?"
	case string(omr.Error):
		reason = "Aspose could not recognize it"
	case string(omr.TaskNotFound), string(omr.ResultDataLost):
		reason = "Aspose has lost the result, which it keeps for 24 hours; --resubmit sends the sheet again, and pays again"
	case SubmissionUnknown:
		reason = "it was sent, and may have been received and paid for; --resubmit sends it again"
	case Refused, NotFetched:
		if o.Status == NotFetched {
			reason = "its result could not be fetched; the same command asks again"
		} else {
			reason = "not taken, and not paid for"
		}
	case NotReady:
		reason = "its result was not there after 10 minutes; the same command asks again"
	case table.Unreadable:
		reason = "its result is none that can stand in the table"
	default:
		reason = "it ended as nobody knows"
	}
	if len(o.Messages) > 0 {
		reason += ": " + strings.Join(o.Messages, "; ")
	}
	return reason
}
