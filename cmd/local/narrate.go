package main

import (
	"fmt"
	"io"
	"time"
)

// narrator tells, one line a step, what an invocation does: for people, beside
// the log. It never shows a secret, a token, a query or a body. It is safe for
// concurrent use if its writer is; its fields are set before.
type narrator struct {
	w      io.Writer
	colour bool

	// What the other ends are called.
	secrets, tokens, upstream, bucket string
}

func newNarrator(w io.Writer, colour bool) *narrator {
	return &narrator{w: w, colour: colour}
}

// The lines' signs: what comes in, what goes out and back, what leaves.
const (
	signIn   = "→"
	signBoth = "↔"
	signOut  = "←"
	signNote = "·"
)

// A tone is how a line ended, shown by colour alone: the words say it too.
type tone int

const (
	plain tone = iota
	good
	bad
)

const (
	ansiBold  = "\x1b[1m"
	ansiGreen = "\x1b[32m"
	ansiRed   = "\x1b[31m"
	ansiReset = "\x1b[0m"
)

// line writes one line in a single Write. A narration that cannot be written
// disturbs nothing else.
func (n *narrator) line(sign, label, text string, t tone) {
	// The widest label is "upstream".
	head := fmt.Sprintf("%s %-9s", sign, label)
	if n.colour {
		head = ansiBold + head + ansiReset
		switch t {
		case good:
			text = ansiGreen + text + ansiReset
		case bad:
			text = ansiRed + text + ansiReset
		case plain:
		}
	}
	_, _ = fmt.Fprintf(n.w, "%s %s\n", head, text)
}

// say writes a line that belongs to no invocation.
func (n *narrator) say(label, text string) { n.line(signNote, label, text, plain) }

// problem tells why start-api answered in the function's place.
func (n *narrator) problem(err error) { n.line(signNote, "problem", printable(err.Error()), bad) }

// event tells what came in.
func (n *narrator) event(payload []byte) {
	text := describeEvent(payload) + ", " + size(len(payload))
	if len(payload) > lambdaLimit {
		text += " (Lambda takes no more than 6 MB)"
	}
	n.line(signIn, "event", text, plain)
}

// answer tells what the handler returned.
func (n *narrator) answer(response []byte, err error, cause string, took time.Duration) {
	if err != nil {
		n.line(signOut, "answer", "the handler failed, in "+elapsed(took)+because(cause), bad)
		return
	}
	text, ended := describeAnswer(response)
	n.line(signOut, "answer", text+", in "+elapsed(took)+because(cause), ended)
}

// because is the end of a line about a failure. The relay's words for a cause are
// constant; they are made printable all the same.
func because(cause string) string {
	if cause == "" {
		return ""
	}
	return ": " + printable(cause)
}

// streamed tells what the handler streamed.
func (n *narrator) streamed(s *streamed, err error, cause string, took time.Duration) {
	text, ended := fmt.Sprintf("%d, %s streamed", s.status, size(s.body)), toneOf(s.status)
	if err != nil {
		text, ended = text+", then it broke off", bad
	}
	n.line(signOut, "answer", text+", in "+elapsed(took)+because(cause), ended)
}

// toneOf judges an HTTP status.
func toneOf(status int) tone {
	if status >= 400 {
		return bad
	}
	return good
}
