package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"regexp"
	"time"
)

// A map that fails does so by a name of its own. What its sheet failed by is said here:
// the step that found out leaves word, and the state machine has it read when the map has
// failed.

// word is a fault as a step left it.
type word struct {
	Detail string    `json:"detail"`
	At     time.Time `json:"at"`
}

// tooManyFailed is how a map fails over its sheets, of which none may fail:
// https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
const tooManyFailed = "States.ExceedToleratedFailureThreshold"

// errorName is what may be told of an error: a name, such as States.ItemReaderFailed.
var errorName = regexp.MustCompile(`^[A-Za-z0-9.]{1,80}$`)

// stale is how old word of something passing may be: the step was tried again since.
const stale = 10 * time.Minute

// told are the faults that a sheet's step may end with, the one that explains most first.
var told = []Name{CredentialsRejected, PatternMissing, BadInput, Failed, Unavailable}

// leaving is how long the word may take: the fault is what the state machine waits for.
const leaving = 5 * time.Second

// leaveWord records by which fault a sheet's step failed. That it cannot be recorded
// changes nothing.
func (r *Runner) leaveWord(ctx context.Context, in Input, err error) {
	f, ok := errors.AsType[*Fault](err)
	if !ok || in.Step != "submit" && in.Step != "fetch" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, leaving)
	defer cancel()
	text, _ := json.Marshal(word{f.Error(), time.Now().UTC()}) // plain values always marshal
	_ = r.Files.Write(ctx, faultKey(in.Prefix, in.Execution, f.Name), bytes.NewReader(text), "application/json")
}

// explain fails, by the fault that the map failed over. Where none is on record, the
// steps did not come to leave word, for they were killed, each time anew; or it was no
// sheet's doing, and the map's own name for it is all that is known.
func (r *Runner) explain(ctx context.Context, in Input) (*Output, error) {
	for _, name := range told {
		text, err := r.read(ctx, faultKey(in.Prefix, in.Execution, name), maxRecord)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var w word
		if err == nil {
			err = json.Unmarshal(text, &w)
		}
		if err != nil {
			return nil, unavailable("reading why the map failed", err)
		}
		if name != Unavailable || time.Since(w.At) < stale {
			return nil, fault(name, w.Detail)
		}
	}
	if in.Error != tooManyFailed && errorName.MatchString(in.Error) {
		return nil, fault(Failed, "the map over the sheets failed: "+in.Error)
	}
	return nil, fault(Failed, "a sheet's step broke off, and so did those that were to do it again")
}
