package omr

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"
)

// Status is what the upstream says of a task, in its own words.
type Status string

// The statuses that the documentation knows. Tutorials show more.
const (
	Ok                Status = "Ok"
	NotReady          Status = "NotReady"
	Error             Status = "Error"
	PartiallyNotFound Status = "PartiallyNotFound"
	NoAnyResultData   Status = "NoAnyResultData"
	ResultDataLost    Status = "ResultDataLost"
	TaskNotFound      Status = "TaskNotFound"
)

var final = []Status{Ok, Error, PartiallyNotFound, NoAnyResultData, ResultDataLost, TaskNotFound}

// Final reports whether asking again would bring the same. A status that is not
// known is neither ready nor failed: it is not final.
func (s Status) Final() bool { return slices.Contains(final, s) }

// Word is the status as it may stand in a header or a log: one that is not a
// plain word is "unknown".
func (s Status) Word() string {
	plain := s != "" && len(s) <= 40 && !strings.ContainsFunc(string(s), func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
	if !plain {
		return "unknown"
	}
	return string(s)
}

// Result is what the upstream knows of a task.
type Result struct {
	Status Status
	// Files are what came of it, decoded; those without data are left out.
	Files []File
	// Messages are the upstream's own about an error, then its warnings: short,
	// of printable characters, and about the caller's documents. They are never
	// logged.
	Messages []string
}

// contains reports whether found is true of anything that was decoded.
func (r *Result) contains(found func([]byte) bool) bool {
	return slices.ContainsFunc(r.Files, func(f File) bool { return found(f.Data) }) ||
		slices.ContainsFunc(r.Messages, func(m string) bool { return found([]byte(m)) })
}

// File is one of a task's results.
type File struct {
	Type string // Csv, Json, Xml, Txt, Png, Jpg, Pdf, Omr, …
	Data []byte
}

// The most of the upstream's messages that is kept.
const (
	maxMessages = 8
	maxMessage  = 300
)

// parseResult reads an answer to a fetch; field names come in either case.
func parseResult(body []byte) (*Result, error) {
	var answer struct {
		ResponseStatusCode *Status
		Results            []File
		Error              json.RawMessage // an object of two lists, and null; not worth failing for
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.ResponseStatusCode == nil {
		return nil, errNoResult
	}
	r := &Result{Status: *answer.ResponseStatusCode}
	r.Files = slices.DeleteFunc(answer.Results, func(f File) bool { return len(f.Data) == 0 })
	var said struct{ Messages, Warnings []string }
	if json.Unmarshal(answer.Error, &said) == nil {
		for _, text := range append(said.Messages, said.Warnings...) {
			if text = printable(text); text != "" && len(r.Messages) < maxMessages {
				r.Messages = append(r.Messages, text)
			}
		}
	}
	return r, nil
}

// printable leaves out what could do anything but be read.
func printable(text string) string {
	text = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsPrint(r):
			return r
		default:
			return -1
		}
	}, text)), " ")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}
