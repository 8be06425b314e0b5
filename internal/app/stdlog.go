package app

import (
	"bytes"
	"io"
)

// unsolicited begins net/http's report of bytes that came after the end of an
// answer. It quotes them, and they may be a token or a form's result.
var unsolicited = []byte("Unsolicited response received on idle HTTP channel")

// StandardLog returns what package log is to write to in place of w: nothing
// that a server sent is quoted there.
func StandardLog(w io.Writer) io.Writer { return standardLog{w} }

type standardLog struct{ w io.Writer }

// Write takes one line at a time, as package log hands them over.
func (s standardLog) Write(line []byte) (int, error) {
	if i := bytes.Index(line, unsolicited); i >= 0 {
		end := i + len(unsolicited)
		if _, err := s.w.Write(append(line[:end:end], '\n')); err != nil {
			return 0, err
		}
		return len(line), nil
	}
	return s.w.Write(line)
}
