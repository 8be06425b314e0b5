package sandbox

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"regexp"
	"slices"
	"time"
)

// Outcome is what becomes of a task.
type Outcome struct {
	// Status is the responseStatusCode of its result, "Ok" if empty. Of a task
	// whose status is not final, it is what every poll says.
	Status string
	// Data has the samples come with a status other than Ok.
	Data bool
	// Messages are what its error says.
	Messages []string
}

// SetOutcomes sets what becomes of the next tasks, in the order of their
// submission. The tasks after them are Ok.
func (a *Aspose) SetOutcomes(outcomes ...Outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.outcomes = outcomes
}

// SetReadyAfter has each new task ready that long after its submission, however
// often it is polled. 0, the default, goes by polls (SetNotReady).
func (a *Aspose) SetReadyAfter(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.readyAfter = d
}

// SetReadyBy has each new task ready at that age, where it would be later by the
// number of its polls. 0, the default, sets no age.
func (a *Aspose) SetReadyBy(age time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.readyBy = age
}

// setFateLocked decides over a new task.
func (a *Aspose) setFateLocked(t *task) {
	t.polls = a.extraPolls + 1
	if a.readyAfter > 0 {
		t.polls, t.readyAt = 0, time.Now().Add(a.readyAfter)
	}
	if a.readyBy > 0 {
		t.readyBy = time.Now().Add(a.readyBy)
	}
	if len(a.outcomes) > 0 {
		t.outcome, a.outcomes = a.outcomes[0], a.outcomes[1:]
	}
	if t.manyPages {
		t.outcome = Outcome{Status: "Error", Messages: []string{"Recognition of multi-page PDF and TIFF files is not supported."}}
	}
}

// hasPages reports whether an image, in base64, is a PDF or TIFF of more pages than
// the one that the service takes. The relay has a reader of its own: what both got
// wrong alike would not be noticed.
func hasPages(image string) bool {
	data, _ := base64.StdEncoding.DecodeString(image) // what is no base64 was refused
	switch {
	case bytes.HasPrefix(data, []byte("%PDF-")):
		counts := pageCount.FindAllSubmatch(data, -1)
		return slices.ContainsFunc(counts, func(found [][]byte) bool { return string(found[1]) != "1" })
	case bytes.HasPrefix(data, []byte("II*\x00")):
		return secondDirectory(data, binary.LittleEndian)
	case bytes.HasPrefix(data, []byte("MM\x00*")):
		return secondDirectory(data, binary.BigEndian)
	default:
		return false
	}
}

var pageCount = regexp.MustCompile(`/Count\s+(\d+)`)

// secondDirectory reports whether a TIFF's first directory of entries is followed
// by another.
func secondDirectory(data []byte, order binary.ByteOrder) bool {
	if len(data) < 8 {
		return false
	}
	first := int64(order.Uint32(data[4:]))
	if first+2 > int64(len(data)) {
		return false
	}
	next := first + 2 + 12*int64(order.Uint16(data[first:]))
	return next+4 <= int64(len(data)) && order.Uint32(data[next:]) != 0
}

// omrError is what the service says of a task that failed.
type omrError struct {
	Messages []string `json:"messages"`
	Warnings []string `json:"warnings"`
}

// answerLocked is the answer to a poll.
func (t *task) answerLocked(id string) omrResponse {
	answer := omrResponse{ID: id}
	switch {
	case t.polls > 0 && (t.readyBy.IsZero() || time.Now().Before(t.readyBy)):
		t.polls--
		answer.ResponseStatusCode = "NotReady"
	case time.Now().Before(t.readyAt):
		answer.ResponseStatusCode = "NotReady"
	case t.outcome.Status == "" || t.outcome.Status == "Ok":
		answer.ResponseStatusCode, answer.Results = "Ok", t.results()
	default:
		answer.ResponseStatusCode = t.outcome.Status
		if t.outcome.Data {
			answer.Results = t.results()
		}
		if len(t.outcome.Messages) > 0 {
			answer.Error = &omrError{Messages: t.outcome.Messages, Warnings: []string{}}
		}
	}
	return answer
}
